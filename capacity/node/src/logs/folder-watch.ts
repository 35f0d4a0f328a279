import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';

import { abortError, throwIfAborted } from '@commongrid/base';

/** Tells that something in a folder changed, to any number who wait. */
export class FolderWatch implements Disposable {
  readonly #watcher: FSWatcher;
  #changes = 0;
  #next = Promise.withResolvers<void>();

  /** @throws ENOSPC when the kernel watches as many as it may */
  constructor(folder: string) {
    this.#watcher = watch(folder, { persistent: false }, () => this.#wake());
    // A folder that goes away is no fault: who waits looks, and sees it.
    this.#watcher.on('error', () => this.#wake());
  }

  /** How many changes there were: taken before one looks, given to `after`. */
  get changes(): number {
    return this.#changes;
  }

  /** Resolves once there were more changes. @throws BASE_ABORTED */
  async after(changes: number, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    if (this.#changes !== changes) return;
    const stopped = Promise.withResolvers<never>();
    const onAbort = (): void => stopped.reject(abortError(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([this.#next.promise, stopped.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
  }

  #wake(): void {
    this.#changes++;
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }
}
