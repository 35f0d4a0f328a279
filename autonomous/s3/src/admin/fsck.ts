import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { throwIfAborted } from '@commongrid/base';
import type { BlobStore } from '@commongrid/zstor';

import type { FsckResult } from './fsck-checks.ts';

/** What the thread works on. */
export interface FsckWork {
  readonly path: string;
  /** In hex. */
  readonly snapshotChunks: readonly string[];
  readonly readable: readonly number[];
}

export interface FsckProgress {
  readonly check: string;
  readonly done: number;
  readonly total: number;
}

export type FsckAnswer = FsckProgress | { readonly result: FsckResult };

/**
 * Checks the tables of a store against each other and against the backends that answer, in a thread of
 * its own, as they are at one moment.
 * @throws BASE_ABORTED
 */
export async function fsck(
  { catalog, backends, snapshotChunks }: BlobStore,
  options: {
    readonly signal: AbortSignal;
    readonly onProgress: (progress: FsckProgress) => void;
  },
): Promise<FsckResult> {
  const { signal, onProgress } = options;
  throwIfAborted(signal);
  const work: FsckWork = {
    path: catalog.databasePath,
    snapshotChunks: snapshotChunks.map((id) => Buffer.from(id).toString('hex')),
    readable: backends.all.filter(({ state }) => state !== 'lost').map(({ no }) => no),
  };
  const thread = new Worker(new URL('./fsck-thread.ts', import.meta.url), { workerData: work });
  const stop = (): void => void thread.terminate();
  signal.addEventListener('abort', stop);
  let result: FsckResult | undefined;
  thread.on('message', (answer: FsckAnswer) => {
    if ('result' in answer) ({ result } = answer);
    else onProgress(answer);
  });
  try {
    // `once` rejects with what the thread throws.
    await once(thread, 'exit');
  } finally {
    signal.removeEventListener('abort', stop);
  }
  throwIfAborted(signal);
  if (result === undefined) throw new TypeError('the check of the tables ended without a result');
  return result;
}
