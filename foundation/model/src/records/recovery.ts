import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.recovery.1`, signed by one of the bot's recovery keys: replace its root by this key. Once as
 * many as the threshold say the same, the root changes 72 hours of log time later, unless the root
 * signs a record of this type with `veto` before.
 */
export const recovery = new RecordType({
  url: 'grid.recovery.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      bot: f.marked(f.botId, { index: true }),
      action: f.oneOf('replace', 'veto'),
      /** The new root; of a veto, the one that is refused. */
      root: f.keyText,
      /** By the new root, over `keyProof`; not needed for a veto. */
      rootProof: Type.Optional(f.signature),
      /** The key that signs this record. */
      by: f.keyText,
    },
    f.closed,
  ),
  objectOf: ({ bot, by }) => `${bot}/${by}`,
});
export type Recovery = Static<typeof recovery.schema>;
