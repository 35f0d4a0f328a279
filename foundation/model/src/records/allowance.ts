import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.allowance.1`, signed by a key of the contract's owner: up to this much the lease holder may
 * fund locks from the account while healing.
 */
export const allowance = new RecordType({
  url: 'grid.allowance.1',
  namespace: 'wallet',
  schema: Type.Object(
    {
      contract: f.contractId,
      from: f.accountId,
      perMonth: f.amount,
      currency: f.currency,
      expMs: f.timeMs,
    },
    f.closed,
  ),
  objectOf: ({ contract }) => contract,
});
export type Allowance = Static<typeof allowance.schema>;
