import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { GridError, removeFileDurably, systemClock, writeFileAtomic } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import type { FileStore } from '../data/data-book.ts';
import type { Files } from '../data/files.ts';
import { signedUrl } from '../data/signed-url.ts';
import type { BotErrorCode } from '../errors.ts';
import { getFromDatabase } from './database-backups.ts';
import { backupHash } from './sealed-backup.ts';

/** Backups that stay in a folder; the oldest make room. */
const keptInFolderMax = 3;

/** Bytes that are taken from a server. */
const fetchedBytesMax = 80 * 2 ** 20;

/** Time for one place to answer, ms. */
const fetchMs = 60_000;

const ending = '.backup';

/** A backup, and when it was made: ms since 1970. */
export interface DatedBackup {
  readonly sealed: Uint8Array;
  readonly atMs: number;
}

/**
 * Writes a backup into a folder. Returns where it is.
 * @param named what the record of the bot names now: it stays until the record names another one
 */
export async function putIntoFolder(
  folder: string,
  name: string,
  { sealed, atMs }: DatedBackup,
  named: readonly string[],
): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const prefix = `${name}-`;
  const file = join(folder, `${prefix}${String(atMs).padStart(15, '0')}${ending}`);
  await writeFileAtomic(file, sealed, { mode: 0o600 });
  const all = (await readdir(folder)).filter((one) => {
    return one.startsWith(prefix) && /^\d{15}\.backup$/.test(one.slice(prefix.length));
  });
  const old = all.toSorted().toReversed().slice(keptInFolderMax);
  for (const one of old) {
    const path = join(folder, one);
    if (!named.includes(pathToFileURL(path).href)) await removeFileDurably(path);
  }
  return pathToFileURL(file).href;
}

/** Puts a backup beside the files of the bot. Returns where it is, for those who may read there. */
export async function putIntoFiles(
  files: Files,
  name: string,
  { sealed, atMs }: DatedBackup,
  signal: AbortSignal,
): Promise<string> {
  const url = files.urlOf(`backups/${name}-${atMs}${ending}`, 'PUT');
  const response = await fetch(url, { method: 'PUT', body: Buffer.from(sealed), signal });
  if (!response.ok) {
    throw new GridError<BotErrorCode>('BOT_FILES_FAILED', `S3 answers ${response.status}`, {
      hint: 'see whether the key of the bot may write into the bucket',
      retryable: true,
    });
  }
  return url.slice(0, url.indexOf('?'));
}

/** Why a place did not give the backup. */
interface Miss {
  readonly place: string;
  readonly why: string;
}

/** Who may read at an S3. */
export type S3Key = Omit<FileStore, 'bucket'>;

export interface FetchBackupOptions {
  /** Files and URLs; those of the record of the bot, or such as a person names. */
  readonly places: readonly string[];
  /** What the record says; a backup with another one is not what was backed up last. */
  readonly hash: string;
  /** Takes an older one where the newest is nowhere. */
  readonly isOlderAccepted: boolean;
  /** Reads as the root of the bot. */
  readonly client: BcdbClient;
  /** A key to the S3 that has it, where not everybody may read there. */
  readonly s3Key?: S3Key | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface FetchedBackup {
  readonly sealed: Uint8Array;
  readonly place: string;
  readonly isNewest: boolean;
}

/**
 * The newest backup, from the first place that has it whole.
 * @throws BOT_BACKUP_STALE where there are others only, BOT_BACKUP_MISSING where there are none
 */
export async function fetchBackup(options: FetchBackupOptions): Promise<FetchedBackup> {
  const others: FetchedBackup[] = [];
  const misses: Miss[] = [];
  for (const place of options.places) {
    try {
      const sealed = await read(place, options);
      if (backupHash(sealed) === options.hash) return { sealed, place, isNewest: true };
      others.push({ sealed, place, isNewest: false });
    } catch (error) {
      misses.push({ place, why: error instanceof Error ? error.message : String(error) });
    }
  }
  const [other] = others;
  if (other !== undefined && options.isOlderAccepted) return other;
  throw other === undefined ? missing(options.places, misses) : stale(other.place, options.hash);
}

async function read(
  place: string,
  { client, s3Key, signal }: FetchBackupOptions,
): Promise<Uint8Array> {
  const end = AbortSignal.any([
    AbortSignal.timeout(fetchMs),
    ...(signal === undefined ? [] : [signal]),
  ]);
  if (place.startsWith('bcdb://')) return getFromDatabase(client, place, end);
  if (place.startsWith('file://')) return readFile(fileURLToPath(place));
  if (!/^https?:\/\//.test(place)) return readFile(place);
  const response = await fetch(readableUrl(place, s3Key), { signal: end });
  if (!response.ok || response.body === null) throw new TypeError(`it answers ${response.status}`);
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body) {
    sizeBytes += chunk.length;
    if (sizeBytes > fetchedBytesMax) throw new TypeError('it is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Signed where the place is at the S3 that the key is for; a key is shown to nobody else. */
function readableUrl(place: string, s3Key: S3Key | undefined): string {
  const url = new URL(place);
  if (s3Key === undefined || url.search !== '') return place;
  const { endpoint, ...keys } = s3Key;
  if (url.origin !== new URL(endpoint).origin) return place;
  const nowMs = systemClock.nowMs();
  return signedUrl({ method: 'GET', url, ...keys, lifeSeconds: fetchMs / 1_000, nowMs });
}

function missing(places: readonly string[], misses: readonly Miss[]): GridError<BotErrorCode> {
  const whys = misses.map(({ place, why }) => `${place}: ${why}`).join('; ');
  const what = places.length === 0 ? 'no place is known' : whys;
  return new GridError('BOT_BACKUP_MISSING', `the backup is not to be had: ${what}`, {
    hint: 'name a copy of it with --from, or a key to its S3 with --s3-key; or go on with --without-backup',
    details: { misses },
  });
}

function stale(place: string, hash: string): GridError<BotErrorCode> {
  return new GridError(
    'BOT_BACKUP_STALE',
    `${place} is not the backup that the log names: it is an older one, or was changed`,
    {
      hint: 'name the newest with --from; --accept-older takes this one, and what came after it is lost',
      details: { place, hash },
    },
  );
}
