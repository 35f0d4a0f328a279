import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.currency.1`, signed for the issuer's account: money that this log knows. A code belongs to
 * whoever said it first. The issuer's account goes below zero by what others have of the currency.
 */
export const currency = new RecordType({
  url: 'grid.currency.1',
  namespace: 'wallet',
  schema: Type.Object(
    {
      code: f.currency,
      name: f.text(100),
      /** Digits behind the point; an amount counts the smallest unit. Never changes. */
      decimals: Type.Integer({ minimum: 0, maximum: 18 }),
      /** Never changes. */
      issuer: f.marked(f.accountId, { index: true }),
      /** Most that can be out at once; may be lowered, never raised. */
      maxSupply: Type.Optional(f.amount),
    },
    f.closed,
  ),
  objectOf: ({ code }) => code,
});
export type Currency = Static<typeof currency.schema>;
