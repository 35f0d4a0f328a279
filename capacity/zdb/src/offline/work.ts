import { existsSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { FolderLock, GridError, throwIfAborted } from '@commongrid/base';
import type { ZdbErrorCode } from '../errors.ts';

/** How far a long job is, in bytes read or written. */
export interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** Options of every job on a folder. */
export interface WorkOptions {
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** Counts what a job has done, and lets it be stopped. */
export class Work {
  readonly #options: WorkOptions;
  #doneBytes = 0;
  totalBytes: number;

  constructor(options: WorkOptions, totalBytes: number) {
    this.#options = options;
    this.totalBytes = totalBytes;
  }

  /** Notes progress, then lets timers and signals have their turn. @throws BASE_ABORTED */
  async step(bytes: number): Promise<void> {
    this.#doneBytes += bytes;
    this.#options.onProgress?.({ doneBytes: this.#doneBytes, totalBytes: this.totalBytes });
    await setImmediate();
    throwIfAborted(this.#options.signal);
  }
}

/**
 * Runs a job on a folder that no server uses meanwhile.
 * @throws ZDB_FOLDER_MISSING, BASE_FOLDER_LOCKED (details.owner names the process)
 */
export async function onFolder<T>(folder: string, job: () => Promise<T>): Promise<T> {
  if (!existsSync(folder)) throw folderMissing(folder);
  await using _lock = await FolderLock.open(folder);
  return await job();
}

export function folderMissing(folder: string): GridError<ZdbErrorCode> {
  return new GridError('ZDB_FOLDER_MISSING', `${folder} holds no Zero-DB data`, {
    hint: 'give the folder that `grid zdb serve --data` was given',
    details: { folder },
  });
}
