import { TaskGroup } from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import type { ObjectId } from '../format/object-id.ts';
import type { ContentFetcher, ContentRange } from '../fuse/miss-desk.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { chunkBytes } from '../tree/inode.ts';

/** Looks at a time whether a file is whole; as many reads wait for content. */
const looksMax = 256;

/** Files whose end was read, and that are not whole yet. */
const endedFilesMax = 256;

/** What the FUSE server has to fetch comes from the store, verified. */
export class StoreFetcher implements ContentFetcher, AsyncDisposable {
  readonly #store: ObjectStore;
  readonly #tasks: TaskGroup;
  readonly #ended = new Set<ObjectId>();

  constructor(store: ObjectStore, logger: Logger) {
    this.#store = store;
    this.#tasks = new TaskGroup({
      maxTasks: looksMax,
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
    if (offset + length === this.#store.sizeOf(id)) this.#noteEnd(id);
    if (this.#ended.has(id)) this.#promote(id, last);
    const start = offset - first * chunkBytes;
    const [only] = chunks;
    const bytes = only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks);
    return bytes.subarray(start, start + length);
  }

  #noteEnd(id: ObjectId): void {
    if (this.#ended.size >= endedFilesMax) this.#ended.clear();
    this.#ended.add(id);
  }

  /** Whoever read a large file from front to back, in whatever order, has brought all of it here. */
  #promote(id: ObjectId, chunk: number): void {
    if (this.#tasks.size >= looksMax) return;
    this.#tasks.start(id, async (signal) => {
      await this.#store.need(id, chunk, 1, { signal });
      if (this.#store.hasObject(id)) this.#ended.delete(id);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#tasks.close();
  }
}
