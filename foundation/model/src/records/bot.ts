import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/** Keys that one version of a bot can list. */
export const botListedKeysMax = 64;

/** Keys that can be called to replace a lost root. */
export const recoveryKeysMax = 16;

const deviceKey = Type.Object(
  {
    key: f.keyText,
    /** What the key is for. Only `device` may change the addresses and the backup of the bot. */
    role: f.oneOf('device', 'controller', 'head'),
    /** By the key, over `keyProof`: nobody lists the key of another. */
    proof: f.signature,
    /** Where secrets for the holder of this key are sealed to. */
    seal: Type.Optional(f.sealingKeyText),
    label: Type.Optional(f.text(64)),
    /** From this version on the key is no longer valid. */
    ended: Type.Optional(f.oneOf('retired', 'compromised')),
  },
  f.closed,
);

/**
 * `grid.bot.1`, signed by the root key; a `device` key may change addresses and backup. Who somebody
 * is: name, keys, where to reach them, and who may replace a lost root. All of these together are the
 * phonebook.
 */
export const bot = new RecordType({
  url: 'grid.bot.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      id: f.botId,
      name: f.marked(f.nameText, { index: true }),
      root: f.keyText,
      /** By a new root, over `keyProof`; not needed where the root stays. */
      rootProof: Type.Optional(f.signature),
      seal: f.sealingKeyText,
      keys: Type.Array(deviceKey, { maxItems: botListedKeysMax }),
      addresses: Type.Array(f.urlText, { maxItems: 16 }),
      about: Type.Optional(f.marked(f.text(1000), { fts: true })),
      recovery: Type.Optional(
        Type.Object(
          {
            threshold: Type.Integer({ minimum: 1, maximum: recoveryKeysMax }),
            keys: f.setOf(f.keyText, { minItems: 1, maxItems: recoveryKeysMax }),
          },
          f.closed,
        ),
      ),
      /** The newest sealed backup of the bot. */
      backup: Type.Optional(
        Type.Object({ urls: Type.Array(f.urlText, { maxItems: 16 }), hash: f.hash }, f.closed),
      ),
    },
    f.closed,
  ),
  objectOf: ({ id }) => id,
});
export type Bot = Static<typeof bot.schema>;
export type BotKey = Static<typeof deviceKey>;
