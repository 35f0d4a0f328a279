import { createWriteStream } from 'node:fs';
import { lstat, mkdir, readdir, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { errorCode, GridError, mountAt, syncFolder } from '@commongrid/base';
import { applyHandover, restoreBackup, signHandover, stateHandover } from '@commongrid/bcdb';

import type { GridErrorCode } from '../errors.ts';
import { GridHome } from '../home.ts';
import { readKeyFile } from '../key-file.ts';
import type { BackupManifest } from './backup-manifest.ts';
import { readChunks } from './chunks.ts';
import type { OpenBackup } from './open-backup.ts';
import { damaged } from './sealed-object.ts';
import { Workshop } from './workshop.ts';

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
 * Broken off, the next call begins anew. Of several at one time the first that is whole gets the name.
 * @throws GRID_RESTORE_OCCUPIED, GRID_RESTORE_FIXED, GRID_BACKUP_DAMAGED, GRID_HOME_NEWER, and what restoring BCDB throws
 */
export async function restoreGrid(
  homePath: string,
  backup: OpenBackup,
  { known }: RestoreOptions,
): Promise<RestoredGrid> {
  await requireEmpty(homePath);
  await mkdir(dirname(homePath), { recursive: true, mode: 0o700 });
  await using workshop = await Workshop.open(homePath);
  const made = workshop.content;
  await mkdir(made, { mode: 0o700 });
  for (const file of backup.manifest.files) await restoreFile(made, backup, file);
  const home = new GridHome(made);
  if (!(await home.exists())) throw damaged('the list of files', 'it has no grid.json');
  const restored = await restoreLedger(home, backup, known);
  await syncBelow(made);
  await requireEmpty(homePath);
  await takeName(made, homePath);
  await syncFolder(dirname(homePath));
  return restored;
}

/** @throws GRID_RESTORE_OCCUPIED for a name that another restore has got meanwhile */
async function takeName(made: string, homePath: string): Promise<void> {
  try {
    await rename(made, homePath);
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST'].includes(errorCode(error) ?? '')) await requireEmpty(homePath);
    throw error;
  }
}

/**
 * Whether a whole grid can get this name: nothing is there, or an empty folder.
 * @throws GRID_RESTORE_OCCUPIED, GRID_RESTORE_FIXED for a link, or a place at which a disk is mounted
 */
export async function requireEmpty(homePath: string): Promise<void> {
  const facts = await lstat(homePath).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (facts === undefined) return;
  if (facts.isSymbolicLink()) throw fixed(homePath, 'a link');
  if (!facts.isDirectory()) throw occupied(homePath, 'is no folder');
  if ((await mountAt(await realpath(homePath))) !== undefined) {
    throw fixed(homePath, 'a place at which a disk is mounted');
  }
  const [first] = await readdir(homePath);
  if (first !== undefined) throw occupied(homePath, `is not empty: it has ${first}`);
}

function occupied(home: string, why: string): GridError<GridErrorCode> {
  return new GridError('GRID_RESTORE_OCCUPIED', `${home} ${why}`, {
    hint: 'name an empty folder by GRID_HOME, or move this one away',
    details: { home },
  });
}

/** A folder that is made beside it cannot take its name. */
function fixed(home: string, what: string): GridError<GridErrorCode> {
  return new GridError('GRID_RESTORE_FIXED', `${home} is ${what}`, {
    hint: `name a folder in it by GRID_HOME, such as ${join(home, 'grid')}`,
    details: { home },
  });
}

/** Names of files last as long as their content from then on. */
async function syncBelow(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await syncBelow(join(folder, entry.name));
  }
  await syncFolder(folder);
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
