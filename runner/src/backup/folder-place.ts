import { open, readdir, realpath } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';

import {
  errorCode,
  GridError,
  isAtomicTemp,
  isGridError,
  makeFolderDurably,
  removeFileDurably,
  writeFileAtomic,
} from '@commongrid/base';

import type { GridErrorCode } from '../errors.ts';
import type { BackupPlace } from './backup-place.ts';
import { tooLong } from './sealed-object.ts';

/** Backups in a folder, such as that of a disk which is taken elsewhere. */
export class FolderPlace implements BackupPlace {
  readonly name: string;

  constructor(folder: string) {
    this.name = resolve(folder);
  }

  get(name: string, bytesMax: number): Promise<Uint8Array | undefined> {
    return this.#try(async () => {
      await using file = await open(join(this.name, name)).catch((error: unknown) => {
        if (errorCode(error) === 'ENOENT') return undefined;
        throw error;
      });
      if (file === undefined) return undefined;
      if ((await file.stat()).size > bytesMax) throw tooLong(name, bytesMax);
      return await file.readFile();
    });
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.#try(async () => {
      const file = join(this.name, name);
      // No manifest outlives its chunks.
      await makeFolderDurably(dirname(file));
      await writeFileAtomic(file, bytes, { mode: 0o600 });
    });
  }

  remove(name: string): Promise<void> {
    // Durably: no chunk goes before the manifests that name it.
    return this.#try(async () => void (await removeFileDurably(join(this.name, name))));
  }

  async isWithin(folder: string): Promise<boolean> {
    const path = await nearestThere(this.name);
    return `${path}${sep}`.startsWith(`${await realpath(folder)}${sep}`);
  }

  list(folder: string): Promise<readonly string[]> {
    return this.#try(async () => {
      const names = await readdir(join(this.name, folder)).catch((error: unknown) => {
        if (errorCode(error) === 'ENOENT') return [];
        throw error;
      });
      return names.filter((name) => !isAtomicTemp(name) && name !== 'lost+found');
    });
  }

  async #try<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      if (isGridError(cause, 'GRID_BACKUP_DAMAGED')) throw cause;
      const why = errorCode(cause) ?? String(cause);
      throw new GridError<GridErrorCode>(
        'GRID_BACKUP_PLACE_FAILED',
        `backups cannot be kept in ${this.name}: ${why}`,
        {
          hint: 'name a folder that you may write, on a disk with room',
          details: { folder: this.name },
          cause,
        },
      );
    }
  }
}

/** Where a path leads, or the nearest folder on its way that there is. */
async function nearestThere(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    return nearestThere(dirname(path));
  }
}
