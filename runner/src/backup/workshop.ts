import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { errorCode, FolderLock, isGridError } from '@commongrid/base';

const contentName = 'grid';
const lockName = 'LOCK';
const removal = { recursive: true, force: true, maxRetries: 10 } as const;

/** A folder beside that of a grid in which one restore works, and nobody else. It goes when that ends. */
export class Workshop implements AsyncDisposable {
  readonly #path: string;
  readonly #lock: FolderLock;

  private constructor(path: string, lock: FolderLock) {
    this.#path = path;
    this.#lock = lock;
  }

  /** What killed restores of that grid left goes first. @param homePath in a folder that is there */
  static async open(homePath: string): Promise<Workshop> {
    const [parent, begin] = [dirname(homePath), `${basename(homePath)}.restoring-`];
    const names = (await readdir(parent)).filter((name) => name.startsWith(begin));
    for (const name of names) await removeIfLeft(join(parent, name));
    const path = await mkdtemp(join(parent, begin));
    try {
      return new Workshop(path, await FolderLock.open(path));
    } catch (error) {
      await rm(path, removal);
      throw error;
    }
  }

  /** Where the grid is made, on the disk of its name. */
  get content(): string {
    return join(this.#path, contentName);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _lock = this.#lock;
    // As long as there is content somebody may look whether it is left.
    await rm(this.content, removal);
    await rm(this.#path, removal);
  }
}

/** Whoever works has the lock. */
async function removeIfLeft(path: string): Promise<void> {
  try {
    const names = await readdir(path);
    // Content comes once there is a lock: without it this may have been made in this moment.
    if (!names.includes(contentName) || !names.includes(lockName)) return;
    await using _lock = await FolderLock.open(path);
    await rm(path, removal);
  } catch (error) {
    // It is used, is no folder, or has gone meanwhile.
    const isOver = ['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '');
    if (!isOver && !isGridError(error, 'BASE_FOLDER_LOCKED')) throw error;
  }
}
