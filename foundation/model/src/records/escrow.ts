import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.escrow.1`, signed by the key or keys of an account, or by the lease holder within an
 * allowance: money put aside for one lock. One escrow a lock.
 */
export const escrow = new RecordType({
  url: 'grid.escrow.1',
  namespace: 'wallet',
  schema: Type.Object(
    {
      lock: f.lockId,
      contract: f.marked(f.contractId, { index: true }),
      /** Account that pays: the buyer's own, or one of several bots. */
      from: f.marked(f.accountId, { index: true }),
      amount: f.amount,
      currency: f.currency,
      expMs: f.timeMs,
    },
    f.closed,
  ),
  objectOf: ({ lock }) => lock,
});
export type Escrow = Static<typeof escrow.schema>;
