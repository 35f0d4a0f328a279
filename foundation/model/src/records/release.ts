import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.release.1`, signed by a key of the farmer: pay out of the escrow what is due up to `toMs`. It
 * has no amount: the rules of the wallet work it out of receipts and presence.
 */
export const release = new RecordType({
  url: 'grid.release.1',
  namespace: 'wallet',
  schema: Type.Object(
    { lock: f.lockId, workload: f.workloadId, toMs: f.timeMs, expMs: f.timeMs },
    f.closed,
  ),
  objectOf: ({ lock }) => lock,
});
export type Release = Static<typeof release.schema>;
