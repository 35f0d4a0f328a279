import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/** Bots of one shared account. */
const accountSignersMax = 16;

/**
 * `grid.account.1`, signed by a key of a signer: an account of several bots. Whatever is done with it
 * takes `min` of its signers, by `consent` records; so does a change of the account.
 */
export const account = new RecordType({
  url: 'grid.account.1',
  namespace: 'wallet',
  schema: Type.Object(
    {
      id: f.sharedAccountId,
      name: f.text(100),
      /** From 1 on, one more with each change. */
      revision: f.count,
      signers: f.setOf(f.botId, { minItems: 1, maxItems: accountSignersMax }),
      min: Type.Integer({ minimum: 1, maximum: accountSignersMax }),
    },
    f.closed,
  ),
  objectOf: ({ id }) => id,
});
export type Account = Static<typeof account.schema>;
