import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { errorCode, GridError, syncFolder } from '@commongrid/base';
import { applyHandover, restoreBackup, signHandover, stateHandover } from '@commongrid/bcdb';

import type { GridErrorCode } from '../errors.ts';
import { GridHome } from '../home.ts';
import { readKeyFile } from '../key-file.ts';
import type { BackupManifest } from './backup-manifest.ts';
import { readChunks } from './chunks.ts';
import type { OpenBackup } from './open-backup.ts';
import { damaged } from './sealed-object.ts';

export interface RestoreOptions {
  /** The newest checkpoint that anybody kept of records that are lost, a signed note. */
  readonly known: string | undefined;
}

/** A grid that is there again, and down. */
export interface RestoredGrid {
  readonly log: string;
  /** Records of the log, with that of the handover. */
  readonly records: number;
  /** Key that signs the log from here on; undefined where its admins have to sign a handover first. */
  readonly sequencer: string | undefined;
}

/**
 * Makes a grid be in an empty folder again. All of it is made beside, and gets its name once it is whole:
 *
 * 1. Every file; what comes out of a chunk is what was backed up, or nothing is restored. 2. The log, each record of
 * which is verified. 3. The handover: the former sequencer may have gone on after the backup, so that the log goes
 * on under a new key. 4. The name.
 *
 * Broken off, the next call begins anew.
 * @throws GRID_RESTORE_OCCUPIED, GRID_BACKUP_DAMAGED, GRID_HOME_NEWER, and what restoring BCDB throws
 */
export async function restoreGrid(
  homePath: string,
  backup: OpenBackup,
  { known }: RestoreOptions,
): Promise<RestoredGrid> {
  await requireEmpty(homePath);
  const beside = `${homePath}.restoring`;
  await rm(beside, { recursive: true, force: true });
  await mkdir(beside, { recursive: true, mode: 0o700 });
  try {
    for (const file of backup.manifest.files) await restoreFile(beside, backup, file);
    const home = new GridHome(beside);
    if (!(await home.exists())) throw damaged('the list of files', 'it has no grid.json');
    const restored = await restoreLedger(home, backup, known);
    await requireEmpty(homePath);
    await rename(beside, homePath);
    await syncFolder(dirname(homePath));
    return restored;
  } catch (error) {
    await rm(beside, { recursive: true, force: true });
    throw error;
  }
}

/** @throws GRID_RESTORE_OCCUPIED */
export async function requireEmpty(homePath: string): Promise<void> {
  const names = await readdir(homePath).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  if (names.length === 0) return;
  throw new GridError<GridErrorCode>('GRID_RESTORE_OCCUPIED', `${homePath} is not empty`, {
    hint: 'name an empty folder by GRID_HOME, or move this one away',
    details: { home: homePath, first: names[0] },
  });
}

async function restoreFile(
  folder: string,
  { place, keys }: OpenBackup,
  file: BackupManifest['files'][number],
): Promise<void> {
  const path = join(folder, file.path);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const target = createWriteStream(path, { flags: 'wx', mode: file.mode, flush: true });
  await pipeline(readChunks(place, keys, file), target);
}

async function restoreLedger(
  home: GridHome,
  { place, keys, manifest }: OpenBackup,
  known: string | undefined,
): Promise<RestoredGrid> {
  const { ledger, log, owner } = manifest;
  const lines = join(home.path, 'bcdb.jsonl');
  const options = { flags: 'wx', mode: 0o600 } as const;
  await pipeline(readChunks(place, keys, ledger), createWriteStream(lines, options));
  const report = await restoreBackup(lines, home.bcdb);
  await rm(lines);
  if (report.log !== log) throw damaged('the log', 'it is another one than the manifest says');
  const key = await readKeyFile(home.ownerKeyFile);
  if (key.publicKey.text !== owner) {
    throw damaged('the key of the owner', 'it is not the one that signed the backup');
  }
  const records = report.verified;
  const stated = await stateHandover(home.bcdb, known === undefined ? {} : { known });
  const { min, signers } = stated.admins;
  if (min > 1 || !signers.includes(owner)) return { log, records, sequencer: undefined };
  const signed = signHandover({ statement: stated.statement, signatures: [] }, key);
  const { size, sequencer } = await applyHandover(home.bcdb, [signed]);
  return { log, records: size, sequencer };
}
