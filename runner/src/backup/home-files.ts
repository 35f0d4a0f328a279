import { createReadStream } from 'node:fs';
import { lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';

import { errorCode, FolderLock, GridError, isAtomicTemp, isGridError } from '@commongrid/base';
import { isKeptElsewhere } from '@commongrid/threebot';
import { FrozenFolder } from '@commongrid/zdb';

import type { GridErrorCode } from '../errors.ts';
import type { GridHome } from '../home.ts';
import { chunkBytes } from './chunks.ts';
import { freezeStorage } from './frozen-storage.ts';

/** A file that is to be backed up. */
export interface HomeFile {
  /** Relative to GRID_HOME, with slashes. */
  readonly path: string;
  readonly mode: number;
  readonly content: AsyncIterable<Uint8Array>;
}

/** Locks, and what the system puts into the top of a disk. */
const neverKept = /(?:^|\/)(?:LOCK|lost\+found)$/;

/** In a repository of images, in this order: signatures are of flists, which name chunks. */
const repositoryParts = ['signatures', 'flists', 'blobs'];

/** Tables of SQLite are copied as they are in one moment, and what belongs to them is not. */
const tables = /\.sqlite$/;
const besideTables = /\.sqlite-(?:wal|shm|journal)$/;

/**
 * All files of a grid that a backup has, one after the other; each is read before the next is asked for. What
 * refers to something comes before it: tables of bots, then the hub, then data; BCDB is not in it, and comes last.
 * To be called by whoever has `lockBackups`.
 */
export async function* filesOfHome(home: GridHome): AsyncGenerator<HomeFile> {
  const scratch = await scratchOf(home);
  const walk = new Walk(home.path, join(scratch, 'tables'));
  yield* walk.below('bots', (path) => isLeftOutOfBot(path.split('/').slice(2).join('/')));
  const names = ['grid.json', 'layout.json', 'backends.json', 'no-node', 'no-bots'];
  for (const name of [...names, 'front-door/doors.json']) yield* walk.one(name);
  // Whoever restores has the words, or is not to get them.
  yield* walk.below('identity', (path) => path === 'identity/recovery-words');
  yield* walk.below('deployed', () => false);
  yield* walk.one('hub/hub.sqlite');
  yield* walk.below('hub', (path) => path === 'hub/hub.sqlite' || path === 'hub/images');
  yield* walk.repository('hub/images');
  yield* walk.repository('flists');
  await using own = await FrozenFolder.open(home.zdb);
  if (own !== undefined) yield* frozen('zdb', own);
  await using storage = await freezeStorage(home);
  for (const [name, folder] of storage.folders) yield* frozen(`backends/${name}`, folder);
}

/** Nobody else backs this grid up until it is closed. @throws GRID_BACKUP_RUNNING while somebody does */
export async function lockBackups(home: GridHome): Promise<FolderLock> {
  try {
    return await FolderLock.open(await scratchOf(home));
  } catch (cause) {
    if (!isGridError(cause, 'BASE_FOLDER_LOCKED')) throw cause;
    const message = `a backup of ${home.path} is being made: ${cause.message}`;
    throw new GridError<GridErrorCode>('GRID_BACKUP_RUNNING', message, {
      hint: 'wait until it has ended, or end it',
      details: cause.details,
      cause,
    });
  }
}

async function scratchOf(home: GridHome): Promise<string> {
  const scratch = join(home.run, 'backup');
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  return scratch;
}

/** The words of a bot are in its folder alone, where nobody wrote them down; its own backups need them to be opened. */
function isLeftOutOfBot(path: string): boolean {
  return path !== 'words' && isKeptElsewhere(path);
}

function* frozen(path: string, { files }: FrozenFolder): Generator<HomeFile> {
  for (const { name, read } of files) {
    yield { path: `${path}/${name}`, mode: 0o600, content: read(chunkBytes) };
  }
}

/** Files in the folders of a grid. Links may lead anywhere, sockets have no content: neither is taken. */
class Walk {
  readonly #top: string;
  readonly #copy: string;

  /** @param copy file for a copy of tables, for the time that they are read */
  constructor(top: string, copy: string) {
    this.#top = top;
    this.#copy = copy;
  }

  async *below(path: string, isLeftOut: (path: string) => boolean): AsyncGenerator<HomeFile> {
    const names = await ifThere(readdir(join(this.#top, path)));
    for (const name of (names ?? []).toSorted()) {
      const inner = `${path}/${name}`;
      if (isAtomicTemp(name) || neverKept.test(inner) || isLeftOut(inner)) continue;
      if (besideTables.test(name)) continue;
      const facts = await ifThere(lstat(join(this.#top, inner)));
      if (facts?.isDirectory() === true) yield* this.below(inner, isLeftOut);
      else yield* this.one(inner);
    }
  }

  /** Images: what was added meanwhile may be chunks without an flist, and no flist without its chunks. */
  async *repository(path: string): AsyncGenerator<HomeFile> {
    for (const part of repositoryParts) yield* this.below(`${path}/${part}`, () => false);
    const isElsewhere = new Set([...repositoryParts, 'temp'].map((part) => `${path}/${part}`));
    yield* this.below(path, (inner) => isElsewhere.has(inner));
  }

  /** Nothing where it is not there, or goes while it is looked at. */
  async *one(path: string): AsyncGenerator<HomeFile> {
    const file = join(this.#top, path);
    const facts = await ifThere(lstat(file));
    if (facts?.isFile() !== true) return;
    const source = tables.test(path) ? await this.#copyTables(file) : file;
    const stream = createReadStream(source, { highWaterMark: chunkBytes });
    // Before anything is said of it: it may go between two looks.
    const opened = new Promise<boolean>((resolve, reject) => {
      stream.once('open', () => resolve(true));
      stream.once('error', (error) => {
        if (errorCode(error) === 'ENOENT') resolve(false);
        else reject(error);
      });
    });
    try {
      if (await opened) yield { path, mode: facts.mode & 0o777, content: stream };
    } finally {
      if (source !== file) await rm(source, { force: true });
    }
  }

  async #copyTables(file: string): Promise<string> {
    const copy = this.#copy;
    // One that was killed left it.
    await rm(copy, { force: true });
    const db = new DatabaseSync(file, { readOnly: true });
    try {
      await backup(db, copy);
      return copy;
    } finally {
      db.close();
    }
  }
}

async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}
