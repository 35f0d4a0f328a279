import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.refund.1`, signed by a key of the buyer after the end and the time for disputes: pay what is
 * due and give back the rest; or by a key of the farmer at any time: give back what is not earned yet.
 */
export const refund = new RecordType({
  url: 'grid.refund.1',
  namespace: 'wallet',
  schema: Type.Object({ lock: f.lockId }, f.closed),
  objectOf: ({ lock }) => lock,
});
export type Refund = Static<typeof refund.schema>;
