import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.settlement.1`, signed by anybody: ends a transfer with a condition. With the preimage and in
 * time it pays the receiver; without one, and after that time, it gives the money back.
 */
export const settlement = new RecordType({
  url: 'grid.settlement.1',
  namespace: 'wallet',
  schema: Type.Object(
    {
      transfer: f.transferId,
      /** 32 bytes whose SHA-256 is the condition's hash. */
      preimage: Type.Optional(f.nonce32),
    },
    f.closed,
  ),
  objectOf: ({ transfer }) => transfer,
});
export type Settlement = Static<typeof settlement.schema>;
