import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.refund.1`, signed by a key of the buyer: give back what an escrow still holds after its end
 * and the time for disputes.
 */
export const refund = new RecordType({
  url: 'grid.refund.1',
  namespace: 'wallet',
  schema: Type.Object({ lock: f.lockId }, f.closed),
  objectOf: ({ lock }) => lock,
});
export type Refund = Static<typeof refund.schema>;
