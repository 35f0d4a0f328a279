import type { BlobSecret } from '../chunk/blob.ts';
import type { ChunkRecord, Locations } from './chunk-record.ts';
import type { ShardSpread } from './shard-spread.ts';

/** A chunk as a blob lists it; its place is its position in the list. */
export interface BlobChunk {
  /** 16 bytes */
  readonly id: Uint8Array;
  readonly plaintextBytes: number;
}

/** What is needed to read a blob, together with the locations of its chunks. */
export interface StoredBlob {
  readonly secret: BlobSecret;
  readonly chunks: readonly BlobChunk[];
}

/** A chunk that was written, and may still be on its way to some backends. */
export interface WrittenChunk extends BlobChunk {
  readonly spread: ShardSpread;
  readonly shape: Omit<ChunkRecord, 'locations'>;
}

/**
 * A blob that survives, and that nothing refers to yet. It ends with `commit` or `abandon`: what was
 * given up leaves shards without a record, which are collected.
 */
export class WrittenBlob implements StoredBlob {
  readonly secret: BlobSecret;
  readonly chunks: readonly WrittenChunk[];
  readonly #locations: Locations;
  readonly #keep: (work: Promise<void>) => void;
  readonly #end: () => void;

  constructor(options: {
    readonly secret: BlobSecret;
    readonly chunks: readonly WrittenChunk[];
    readonly locations: Locations;
    /** Takes over what goes on after the commit. */
    readonly keep: (work: Promise<void>) => void;
    /** Called once nothing of the blob is on its way. */
    readonly end: () => void;
  }) {
    this.secret = options.secret;
    this.chunks = options.chunks;
    this.#locations = options.locations;
    this.#keep = options.keep;
    this.#end = options.end;
  }

  get sizeBytes(): number {
    return this.chunks.reduce((sum, { plaintextBytes }) => sum + plaintextBytes, 0);
  }

  /** Of its chunks, as they are now. */
  get records(): ChunkRecord[] {
    return this.chunks.map(({ shape, spread }) => ({ ...shape, locations: spread.locations }));
  }

  /**
   * Makes the chunks known: `register` writes their records in one transaction with what refers to
   * them. Shards that are still on their way are added to the records when they arrive.
   */
  async commit<T>(register: (records: readonly ChunkRecord[]) => Promise<T>): Promise<T> {
    await Promise.all(this.chunks.map(({ spread }) => spread.settle()));
    const { records } = this;
    try {
      const result = await register(records);
      this.#keep(this.#complete(records));
      return result;
    } catch (error) {
      // Whether it was committed may be unknown: then repair finds the shards that came later.
      this.abandon();
      throw error;
    }
  }

  abandon(): void {
    const ended = Promise.all(this.chunks.map(({ spread }) => spread.ended));
    this.#keep(ended.then(() => this.#end()));
  }

  async #complete(records: readonly ChunkRecord[]): Promise<void> {
    try {
      for (const [at, { spread }] of this.chunks.entries()) {
        const record = records[at];
        await spread.ended;
        const next = spread.locations;
        if (record === undefined || String(next) === String(record.locations)) continue;
        // False when somebody repaired or removed the chunk in the meantime: that one knows better.
        await this.#locations.compareAndSet(record.id, record.locations, next);
      }
    } finally {
      this.#end();
    }
  }
}
