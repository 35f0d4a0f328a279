import { GridError } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import type { BotErrorCode } from '../errors.ts';

/** Type of the parts of backups that are kept in the database. */
const partType = 'grid.bot-backup.1';

/** Bytes of a part: as text it is a third longer, and a record holds 1 MiB. */
const partBytes = 512 * 2 ** 10;

/** Bytes of a backup in the database: what the log takes in, it keeps. */
const databaseBackupBytesMax = 16 * 2 ** 20;

/** Parts of older backups that are looked for, so that they can be erased. */
const oldPartsMax = 1_000;

const schema = {
  type: 'object',
  required: ['count', 'bytes'],
  properties: {
    count: { type: 'integer', minimum: 1, maximum: databaseBackupBytesMax / partBytes },
    bytes: { type: 'string', maxLength: partBytes * 2 },
  },
} as const;

/** Puts a backup into a namespace. Returns where it is. */
export async function putIntoDatabase(
  client: BcdbClient,
  ns: string,
  sealed: Uint8Array,
  hash: string,
  signal: AbortSignal,
): Promise<string> {
  if (sealed.length > databaseBackupBytesMax) {
    throw new GridError<BotErrorCode>('BOT_TOO_LARGE', 'the backup is too large for the database', {
      hint: 'keep it in a folder, or in S3: grid bot backup NAME --to FOLDER',
      details: { sizeBytes: sealed.length, sizeBytesMax: databaseBackupBytesMax },
    });
  }
  const value = { url: partType, schema };
  await client.write({ ns, op: 'put', url: 'bcdb.schema.1', obj: partType, value }, { signal });
  const count = Math.ceil(sealed.length / partBytes);
  for (let n = 0; n < count; n++) {
    const part = Buffer.from(sealed.subarray(n * partBytes, (n + 1) * partBytes));
    const bytes = part.toString('base64url');
    const obj = partId(hash, n);
    await client.write({ ns, op: 'put', url: partType, obj, value: { count, bytes } }, { signal });
  }
  return `bcdb://${ns}/${hash}`;
}

/** Takes away what is there of other backups. */
export async function eraseOthers(
  client: BcdbClient,
  ns: string,
  hash: string,
  signal: AbortSignal,
): Promise<void> {
  const minSeq = Math.max(0, client.writtenSize - 1);
  const found = await client.find(ns, { url: partType, limit: oldPartsMax, minSeq }, { signal });
  for (const { obj } of found.objects) {
    if (obj.startsWith(`h${hash}/`)) continue;
    await client.write({ ns, op: 'erase', url: partType, obj }, { signal });
  }
}

/** @param url as `putIntoDatabase` gave it */
export async function getFromDatabase(
  client: BcdbClient,
  url: string,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const [, ns, hash] = /^bcdb:\/\/([a-z0-9._-]+)\/([A-Za-z0-9_-]{43})$/.exec(url) ?? [];
  if (ns === undefined || hash === undefined) throw new TypeError(`${url} is no place of a backup`);
  const parts: Buffer[] = [];
  for (let n = 0, count = 1; n < count; n++) {
    const { value } = await client.get(ns, partType, partId(hash, n), { signal });
    const part = value as { readonly count: number; readonly bytes: string };
    count = Math.min(part.count, databaseBackupBytesMax / partBytes);
    parts.push(Buffer.from(part.bytes, 'base64url'));
  }
  return Buffer.concat(parts);
}

/** An id begins with a letter, a hash may not. */
function partId(hash: string, n: number): string {
  return `h${hash}/${n}`;
}
