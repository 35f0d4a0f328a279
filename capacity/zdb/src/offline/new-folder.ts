import fs from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { errorCode, FolderLock, syncFolder } from '@commongrid/base';
import { targetExists } from './new-file.ts';

/** Whether a store can be made there: nothing is there, or an empty folder. */
export function isFreeFolder(folder: string): boolean {
  if (!fs.existsSync(folder)) return true;
  return fs.readdirSync(folder).every((name) => name === 'LOCK');
}

/**
 * A folder that is there whole or not at all. It is made beside its place, as `.making`, and takes
 * its place by one rename; what a crash leaves behind is removed by the next attempt.
 */
export class NewFolder implements AsyncDisposable {
  /** Where to put the content. */
  readonly path: string;
  readonly #target: string;
  readonly #lock: FolderLock;
  #isCommitted = false;

  private constructor(target: string, lock: FolderLock) {
    this.#target = target;
    this.path = makingPath(target);
    this.#lock = lock;
  }

  /** @throws BASE_FOLDER_LOCKED when another process makes the same folder */
  static async begin(target: string): Promise<NewFolder> {
    const making = makingPath(target);
    fs.mkdirSync(making, { recursive: true, mode: 0o700 });
    const lock = await FolderLock.open(making);
    for (const name of fs.readdirSync(making)) {
      if (name !== 'LOCK') await rm(path.join(making, name), { recursive: true });
    }
    return new NewFolder(target, lock);
  }

  /** @throws ZDB_TARGET_EXISTS, BASE_FOLDER_LOCKED */
  async commit(): Promise<void> {
    await syncFolder(this.path);
    // A lock file that an earlier look at the empty folder has left is in the way of the rename.
    // Held until then, so that nobody begins to use the folder.
    const old = fs.existsSync(this.#target) ? await FolderLock.open(this.#target) : undefined;
    try {
      if (!isFreeFolder(this.#target)) throw targetExists(this.#target);
      if (old !== undefined) await rm(old.path);
      await rename(this.path, this.#target);
    } catch (error) {
      if (errorCode(error) === 'ENOTEMPTY') throw targetExists(this.#target);
      throw error;
    } finally {
      await old?.close();
    }
    this.#isCommitted = true;
    await syncFolder(path.dirname(this.#target));
  }

  /** Removes what was not committed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isCommitted) await rm(this.path, { recursive: true, force: true });
    await this.#lock.close();
  }
}

function makingPath(target: string): string {
  return `${path.resolve(target)}.making`;
}
