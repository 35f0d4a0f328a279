import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/** Gaps that one summary can list; with more, the rest of the time counts as absent. */
export const presenceGapsMax = 128;

/**
 * `grid.presence.1`, signed by the sequencer hourly, and at once when a placement ends: signed
 * heartbeats of the node came in all through [fromMs, toMs), but for the gaps.
 */
export const presence = new RecordType({
  url: 'grid.presence.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      node: f.nodeId,
      session: f.counter,
      fromMs: f.timeMs,
      toMs: f.marked(f.timeMs, { index: true }),
      gaps: Type.Array(Type.Object({ fromMs: f.timeMs, toMs: f.timeMs }, f.closed), {
        maxItems: presenceGapsMax,
      }),
    },
    f.closed,
  ),
  objectOf: ({ node }) => node,
});
export type Presence = Static<typeof presence.schema>;
