import { TaskGroup } from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import type { ContentFetcher, ContentRange } from '../fuse/miss-desk.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { chunkBytes } from '../tree/inode.ts';

/** Files that are put together at a time; others are with the next read of their end. */
const promotionsMax = 16;

/** What the FUSE server has to fetch comes from the store, verified. */
export class StoreFetcher implements ContentFetcher, AsyncDisposable {
  readonly #store: ObjectStore;
  readonly #tasks: TaskGroup;

  constructor(store: ObjectStore, logger: Logger) {
    this.#store = store;
    this.#tasks = new TaskGroup({
      maxTasks: promotionsMax,
      onError: (err, id) => logger.warn({ err, id }, 'a file could not be put together'),
    });
  }

  async read({ id, offset, length }: ContentRange, signal: AbortSignal): Promise<Uint8Array> {
    const first = Math.floor(offset / chunkBytes);
    const last = Math.floor((offset + length - 1) / chunkBytes);
    const numbers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
    const chunks = await Promise.all(
      numbers.map((number) => this.#store.readChunk(id, number, { signal })),
    );
    const end = offset + length;
    const isAtEnd = end === this.#store.sizeOf(id);
    // Whoever read a large file from front to back has brought all of it here.
    if (isAtEnd && this.#tasks.size < promotionsMax) {
      this.#tasks.start(id, (stop) => this.#store.need(id, last, 1, { signal: stop }));
    }
    const start = offset - first * chunkBytes;
    const [only] = chunks;
    const bytes = only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks);
    return bytes.subarray(start, start + length);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#tasks.close();
  }
}
