import { TaskGroup } from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import type { ObjectId } from '../format/object-id.ts';
import type { ContentFetcher, ContentRange } from '../fuse/miss-desk.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { chunkBytes } from '../tree/inode.ts';
import { ReadingOn } from './reading-on.ts';
import type { ChunkSpan } from './reading-on.ts';

/** What is fetched ahead, and files that are put together, at a time; as many reads wait. */
const tasksMax = 256;

/** Files whose end was read, and that are not whole yet. */
const endedFilesMax = 256;

/** What the FUSE server has to fetch comes from the store, verified. */
export class StoreFetcher implements ContentFetcher, AsyncDisposable {
  readonly #store: ObjectStore;
  readonly #tasks: TaskGroup;
  readonly #ended = new Set<ObjectId>();
  readonly #readingOn = new ReadingOn();

  constructor(store: ObjectStore, logger: Logger) {
    this.#store = store;
    this.#tasks = new TaskGroup({
      maxTasks: tasksMax,
      onError: (err, id) => logger.warn({ err, id }, 'a file could not be read on'),
    });
  }

  async read(
    { id, offset, length }: ContentRange,
    signal: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    const first = Math.floor(offset / chunkBytes);
    const last = Math.floor((offset + length - 1) / chunkBytes);
    this.#readOn(id, { first, count: last - first + 1 });
    const numbers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
    const chunks = await Promise.all(
      numbers.map((number) => this.#store.readChunk(id, number, { signal })),
    );
    if (offset + length === this.#store.sizeOf(id)) this.#noteEnd(id);
    if (this.#ended.has(id)) this.#promote(id, last);
    const start = offset - first * chunkBytes;
    return chunks.map((chunk, index) => {
      const at = index * chunkBytes;
      return chunk.subarray(Math.max(0, start - at), Math.max(0, start + length - at));
    });
  }

  /** Fetches what a reader will want next; nobody waits for it. */
  #readOn(id: ObjectId, span: ChunkSpan): void {
    const next = this.#readingOn.note(id, span);
    const isOver = next === undefined || next.first * chunkBytes >= (this.#store.sizeOf(id) ?? 0);
    if (isOver || this.#tasks.size >= tasksMax) return;
    this.#tasks.start(id, async (signal) => {
      try {
        await this.#store.need(id, next.first, next.count, { signal, priority: 'next' });
        this.#readingOn.goOn(id);
      } catch (error) {
        this.#readingOn.stop(id);
        throw error;
      }
    });
  }

  #noteEnd(id: ObjectId): void {
    if (this.#ended.size >= endedFilesMax) this.#ended.clear();
    this.#ended.add(id);
  }

  /** Whoever read a large file from front to back, in whatever order, has brought all of it here. */
  #promote(id: ObjectId, chunk: number): void {
    if (this.#tasks.size >= tasksMax) return;
    this.#tasks.start(id, async (signal) => {
      await this.#store.need(id, chunk, 1, { signal });
      if (this.#store.hasObject(id)) this.#ended.delete(id);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#tasks.close();
  }
}
