import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.transfer.1`, signed for the account that pays: an amount goes to another account; with a
 * condition, once somebody shows what has that hash, or else back.
 */
export const transfer = new RecordType({
  url: 'grid.transfer.1',
  namespace: 'wallet',
  schema: Type.Object(
    {
      /** Chosen by who pays, so that the same transfer sent twice is one. */
      id: f.transferId,
      from: f.marked(f.accountId, { index: true }),
      to: f.marked(f.accountId, { index: true }),
      amount: f.amount,
      currency: f.currency,
      memo: Type.Optional(f.text(1000)),
      expMs: f.timeMs,
      /** SHA-256 of 32 bytes that only the receiver comes to know, and until when they count. */
      condition: Type.Optional(Type.Object({ hash: f.hash, untilMs: f.timeMs }, f.closed)),
    },
    f.closed,
  ),
  objectOf: ({ id }) => id,
});
export type Transfer = Static<typeof transfer.schema>;
