import { systemUrls } from '@commongrid/bcdb';
import type { Bcdb } from '@commongrid/bcdb';
import { SealingKey } from '@commongrid/crypto';
import type { JsonValue, SigningKey } from '@commongrid/crypto';
import { botIdOf, keyProof, keyProofDomain, recordTypes } from '@commongrid/model';
import type { RecordOf } from '@commongrid/model';

export type BotRecord = RecordOf<'grid.bot.1'>;

/** Makes the namespace of the grid with the type of bots in it. */
export async function makePhonebook(bcdb: Bcdb): Promise<void> {
  const grants = [
    { to: bcdb.owner, rights: ['admin'] },
    { to: 'anyone', rights: ['read', 'write'] },
  ];
  const value = { grants, validator: 'grid@1' };
  await bcdb.write({ ns: 'grid', op: 'put', url: systemUrls.namespace, obj: 'namespace', value });
  const schema = recordTypes.get('grid.bot.1')?.schema;
  await bcdb.defineSchema('grid', 'grid.bot.1', JSON.parse(JSON.stringify(schema)) as JsonValue);
}

/** The record with which a bot begins: its root, and one device. */
export function firstRecord(
  log: string,
  {
    name,
    root,
    device,
  }: { readonly name: string; readonly root: SigningKey; readonly device: SigningKey },
): BotRecord {
  const id = botIdOf(root.publicKey.text);
  const value = {
    ...{ id, name, root: root.publicKey.text, seal: sealingKeyOf(root).publicKey.text },
    keys: [listedKey(log, device, id)],
    addresses: [],
  };
  return value as unknown as BotRecord;
}

/** A key as a bot lists it. */
export function listedKey(log: string, key: SigningKey, id: string): BotRecord['keys'][number] {
  const signature = key.sign(keyProofDomain, keyProof(log, id as BotRecord['id']));
  const proof = Buffer.from(signature).toString('base64url');
  const seal = sealingKeyOf(key).publicKey.text;
  return { key: key.publicKey.text, role: 'device', proof, seal } as BotRecord['keys'][number];
}

export function sealingKeyOf(key: SigningKey): SealingKey {
  return SealingKey.derive(key.exportSeed());
}
