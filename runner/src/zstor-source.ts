import { GridError, isGridError, throwIfAborted } from '@commongrid/base';
import type { ChunkHash, ChunkSource, FlistErrorCode, PackedChunk } from '@commongrid/flist';
import type { Stor } from '@commongrid/zstor';

/** What a source needs of a store. */
export type ChunkStore = Pick<Stor, 'get' | 'put' | 'close'>;

export interface ZstorSourceOptions {
  /** For people and events. */
  readonly name: string;
  /** Opens the store with the first use, and closes it with the source. */
  readonly open: (signal: AbortSignal) => Promise<ChunkStore>;
}

/** Chunks that are read from the store at a time. */
const readsMax = 8;
/** Before the hash of a chunk, in the names of the store. */
const namePrefix = 'flist-chunk/';

/**
 * Chunks as files of a Zero-Stor, one each, packed as they are sent; also fills one. Whoever opens
 * a store is its head: it is not to be the source of several services at a time.
 */
export class ZstorSource implements ChunkSource {
  readonly name: string;
  readonly #open: ZstorSourceOptions['open'];
  readonly #closing = new AbortController();
  #store: Promise<ChunkStore> | undefined;

  constructor({ name, open }: ZstorSourceOptions) {
    this.name = name;
    this.#open = open;
  }

  async *fetch(
    hashes: readonly ChunkHash[],
    signal: AbortSignal,
  ): AsyncGenerator<PackedChunk, void> {
    let failed: PromiseRejectedResult | undefined;
    for (let at = 0; at < hashes.length; at += readsMax) {
      throwIfAborted(signal);
      const part = hashes.slice(at, at + readsMax);
      const reads = await Promise.allSettled(part.map((hash) => this.#read(hash, signal)));
      for (const read of reads) {
        if (read.status === 'fulfilled' && read.value !== undefined) yield read.value;
      }
      const failures = reads.filter((read) => read.status === 'rejected');
      failed ??= failures[0];
      // One chunk that too few backends have takes no other along; a store that is away takes all.
      if (failures.length === reads.length) break;
    }
    if (failed !== undefined) throw failed.reason;
  }

  /** Keeps a chunk, which nobody checks here. @throws FLIST_SOURCE_FAILED (retryable) */
  async put({ hash, packed }: PackedChunk, signal?: AbortSignal): Promise<void> {
    await this.#withStore(async (store) => {
      const options = { sizeBytes: packed.length, signal };
      await store.put(`${namePrefix}${hash}`, [packed], options);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    const store = await this.#store?.catch(() => undefined);
    await store?.close();
  }

  async #read(hash: ChunkHash, signal: AbortSignal): Promise<PackedChunk | undefined> {
    return this.#withStore(async (store) => {
      try {
        const pieces: Buffer[] = [];
        // What is yielded is good until the next is asked for.
        for await (const piece of store.get(`${namePrefix}${hash}`, { signal })) {
          pieces.push(Buffer.from(piece));
        }
        return { hash, packed: Buffer.concat(pieces) };
      } catch (error) {
        if (isGridError(error, 'ZSTOR_FILE_UNKNOWN')) return undefined;
        throw error;
      }
    });
  }

  async #withStore<T>(work: (store: ChunkStore) => Promise<T>): Promise<T> {
    const opening = (this.#store ??= this.#open(this.#closing.signal));
    try {
      return await work(await opening);
    } catch (cause) {
      await this.#giveUp(opening, cause);
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new GridError<FlistErrorCode>('FLIST_SOURCE_FAILED', `source ${this.name}: ${why}`, {
        hint: (isGridError(cause) ? cause.hint : undefined) ?? 'see that its backends run',
        retryable: true,
        details: { source: this.name, reason: why },
        cause,
      });
    }
  }

  /** What did not open, or is headed by somebody else by now, is opened anew when it is asked again. */
  async #giveUp(opening: Promise<ChunkStore>, cause: unknown): Promise<void> {
    const store = await opening.catch(() => undefined);
    const isLost = store === undefined || isGridError(cause, 'ZSTOR_CATALOG_NOT_SERVING');
    if (!isLost || this.#store !== opening) return;
    this.#store = undefined;
    await store?.close();
  }
}
