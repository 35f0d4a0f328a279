import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.receipt.1`, signed by the node hourly and at the end: for how long a workload was healthy in
 * [fromMs, toMs), and what it used.
 */
export const receipt = new RecordType({
  url: 'grid.receipt.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      node: f.marked(f.nodeId, { index: true }),
      workload: f.marked(f.workloadId, { index: true }),
      lock: Type.Optional(f.marked(f.lockId, { index: true })),
      session: f.counter,
      fromMs: f.timeMs,
      toMs: f.marked(f.timeMs, { index: true }),
      healthySeconds: f.counter,
      usage: Type.Object(
        {
          cpuSeconds: f.counter,
          memoryByteSeconds: f.amount,
          diskBytes: f.bytesCount,
          receivedBytes: f.bytesCount,
          sentBytes: f.bytesCount,
        },
        f.closed,
      ),
    },
    f.closed,
  ),
  objectOf: ({ node, workload }) => `${node}/${workload}`,
});
export type Receipt = Static<typeof receipt.schema>;
