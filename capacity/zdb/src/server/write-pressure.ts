import type { Store } from '../engine/store.ts';

/** Records that are not on disk; above it writers wait. */
const UNSYNCED_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Makes writers wait while the disk is behind. A connection whose write waits is not read, so the
 * pressure reaches its client.
 */
export class WritePressure {
  readonly #store: Store;
  #flushing: Promise<void> | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  get isHigh(): boolean {
    return this.#store.log.unsyncedBytes > UNSYNCED_BYTES_MAX;
  }

  /** Resolves when writing may go on, or has failed for good. */
  async relieved(): Promise<void> {
    while (this.isHigh && this.#store.log.failure === undefined) {
      this.#flushing ??= this.#flush();
      await this.#flushing;
    }
  }

  async #flush(): Promise<void> {
    try {
      await this.#store.log.flush();
    } catch {
      // The log has told its owner; whoever waited here finds the store read-only.
    } finally {
      this.#flushing = undefined;
    }
  }
}
