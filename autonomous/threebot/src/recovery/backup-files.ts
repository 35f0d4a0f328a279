import { rm, readFile, readdir, lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { backup } from 'node:sqlite';
import type { DatabaseSync } from 'node:sqlite';
import { GridError, isAtomicTemp } from '@commongrid/base';
import type { BotErrorCode } from '../errors.ts';

/** A file of a bot in a backup. */
export interface BackupFile {
  /** Relative to the folder of the bot, with slashes. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Where the tables of the bot are in a backup. */
const tablesPath = 'data/bot.sqlite';

/** Bytes of all files together. */
export const backupBytesMax = 64 * 2 ** 20;

/** Files of one backup. */
export const backupFilesMax = 20_000;

/** Folders in folders. */
const depthMax = 4;

/** The words, which are kept apart; what of the log is had again; what differs by each backup; locks. */
const leftOut: ReadonlySet<string> = new Set([
  ...['words', 'heads', 'feed', 'LOCK'],
  ...['data/last-backup.json', 'data/LOCK'],
]);

/** Tables of a head beside the bot, which are had again; without its key the store is lost. */
const storeTables = /^stores\/[^/]+\/data\/(?!key$)/;

/** Whether a path in the folder of a bot is no part of any backup. */
export function isKeptElsewhere(path: string): boolean {
  return leftOut.has(path) || storeTables.test(path);
}

/**
 * What is to be kept of a bot: its tables as they are in one moment, and the papers in its folder.
 * @param folder of the bot
 * @param scratch a file that may be made for the time
 * @throws BOT_TOO_LARGE
 */
export async function backupFiles(
  folder: string,
  db: DatabaseSync,
  scratch: string,
): Promise<readonly BackupFile[]> {
  const papers: BackupFile[] = [];
  await readPapers(folder, '', papers);
  await rm(scratch, { force: true });
  try {
    await backup(db, scratch);
    requireRoom(papers, (await lstat(scratch)).size);
    return [...papers, { path: tablesPath, bytes: await readFile(scratch) }];
  } finally {
    await rm(scratch, { force: true });
  }
}

async function readPapers(folder: string, below: string, found: BackupFile[]): Promise<void> {
  const names = (await readdir(join(folder, below))).toSorted();
  for (const name of names) {
    const path = below === '' ? name : `${below}/${name}`;
    const isTables = path.startsWith('data/') && /\.(?:sqlite.*|tmp)$/.test(name);
    if (isKeptElsewhere(path) || isAtomicTemp(name) || isTables) continue;
    // A link may lead anywhere.
    const facts = await lstat(join(folder, path));
    if (facts.isDirectory()) {
      if (path.split('/').length > depthMax) throw tooLarge({ path, depthMax });
      await readPapers(folder, path, found);
    }
    if (!facts.isFile()) continue;
    requireRoom(found, facts.size);
    found.push({ path, bytes: await readFile(join(folder, path)) });
  }
}

/** Before something is read, so that it takes no memory where it has no place. */
function requireRoom(files: readonly BackupFile[], addedBytes: number): void {
  const sizeBytes = files.reduce((sum, { bytes }) => sum + bytes.length, addedBytes);
  if (sizeBytes <= backupBytesMax && files.length < backupFilesMax) return;
  throw tooLarge({ sizeBytes, sizeBytesMax: backupBytesMax, count: files.length + 1 });
}

function tooLarge(details: Readonly<Record<string, number | string>>): GridError<BotErrorCode> {
  return new GridError('BOT_TOO_LARGE', 'the bot is too large for a backup', {
    hint: 'see what is large, or deep, in its folder',
    details,
  });
}
