import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/** `grid.event.1`, signed by the node: a workload on it, or the node itself, has changed its state. */
export const event = new RecordType({
  url: 'grid.event.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      node: f.marked(f.nodeId, { index: true }),
      /** Without it the event is about the node itself, and its revision is 0. */
      workload: Type.Optional(f.marked(f.workloadId, { index: true })),
      revision: f.counter,
      phase: f.marked(
        f.oneOf(
          'accepted',
          'refused',
          'preparing',
          'pulling',
          'starting',
          'running',
          'healthy',
          'unhealthy',
          'failed',
          'paused',
          'stopping',
          'stopped',
          'deleting',
          'deleted',
        ),
        { index: true },
      ),
      /** The node's clock, milliseconds since 1970: events of a node that was cut off come late. */
      at: f.timeMs,
      code: Type.Optional(f.codeText),
      message: Type.Optional(f.text(1000)),
      hint: Type.Optional(f.text(1000)),
      isRetryable: Type.Optional(Type.Boolean()),
    },
    f.closed,
  ),
  objectOf: ({ node, workload }) => (workload === undefined ? node : `${node}/${workload}`),
});
export type Event = Static<typeof event.schema>;
export type EventPhase = Event['phase'];
