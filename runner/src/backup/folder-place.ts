import { mkdir, readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

import { errorCode, GridError, isAtomicTemp, readIfThere, writeFileAtomic } from '@commongrid/base';

import type { GridErrorCode } from '../errors.ts';
import type { BackupPlace } from './backup-place.ts';

/** Backups in a folder, such as that of a disk which is taken elsewhere. */
export class FolderPlace implements BackupPlace {
  readonly name: string;

  constructor(folder: string) {
    this.name = resolve(folder);
  }

  get(name: string): Promise<Uint8Array | undefined> {
    return this.#try(() => readIfThere(join(this.name, name)));
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.#try(async () => {
      const file = join(this.name, name);
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await writeFileAtomic(file, bytes, { mode: 0o600 });
    });
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
