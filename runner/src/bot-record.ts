import { SealingKey, wordsToEntropy } from '@commongrid/crypto';
import type { SigningKey } from '@commongrid/crypto';
import { botIdOf, keyProof, keyProofDomain } from '@commongrid/model';
import type { RecordOf } from '@commongrid/model';

/** The type of bots. */
export const botUrl = 'grid.bot.1';

export type Bot = RecordOf<'grid.bot.1'>;

/** The first record of a bot: its root is made of the words, and lists one key. */
export function newBot(
  words: string,
  root: SigningKey,
  {
    name,
    device,
    log,
  }: { readonly name: string; readonly device: SigningKey; readonly log: string },
): Bot {
  const id = botIdOf(root.publicKey.text);
  // Texts of keys are of this form; the rules of the grid judge all of it.
  return {
    id,
    name,
    root: root.publicKey.text,
    seal: SealingKey.derive(wordsToEntropy(words)).publicKey.text,
    keys: [listedKey(device, log, id)],
    addresses: [],
  } as unknown as Bot;
}

/** A key as a bot lists it, with the proof that whoever has it agrees. */
export function listedKey(key: SigningKey, log: string, id: Bot['id']): Bot['keys'][number] {
  const proof = Buffer.from(key.sign(keyProofDomain, keyProof(log, id))).toString('base64url');
  return { key: key.publicKey.text, role: 'device', proof } as unknown as Bot['keys'][number];
}
