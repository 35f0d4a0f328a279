/** Chunks that wait; when there are more, those that can wait longest are left for the next survey. */
const queuedMax = 20_000;
/** Chunks that may lose so many more, or more, are as urgent as each other. */
const levels = 8;

export interface QueuedChunk {
  readonly chunkId: Uint8Array;
  /** Shards of it that are to be looked at, because somebody found them missing or wrong. */
  readonly doubted: ReadonlySet<number>;
}

interface Entry {
  readonly chunkId: Uint8Array;
  readonly doubted: Set<number>;
  level: number;
}

/** Chunks to be mended, those that lost most first, in their order. */
export class RepairQueue {
  readonly #entries = new Map<string, Entry>();
  readonly #order = Array.from({ length: levels }, () => new Set<string>());
  #leftOut = false;

  get size(): number {
    return this.#entries.size;
  }

  /** Whether some did not fit since this was last asked. */
  takeLeftOut(): boolean {
    const leftOut = this.#leftOut;
    this.#leftOut = false;
    return leftOut;
  }

  /** @param spareShards how many more it may lose; Infinity when it is only to be moved */
  add(chunkId: Uint8Array, spareShards: number, doubted: readonly number[] = []): void {
    const name = nameOf(chunkId);
    const level = Math.max(0, Math.min(levels - 1, spareShards));
    const known = this.#entries.get(name);
    if (known !== undefined) {
      for (const index of doubted) known.doubted.add(index);
      if (level < known.level) this.#raise(name, known, level);
      return;
    }
    if (this.#entries.size >= queuedMax && !this.#drop(level)) {
      this.#leftOut = true;
      return;
    }
    this.#entries.set(name, { chunkId, doubted: new Set(doubted), level });
    this.#order[level]?.add(name);
  }

  take(): QueuedChunk | undefined {
    for (const names of this.#order) {
      for (const name of names) {
        const entry = this.#entries.get(name);
        names.delete(name);
        this.#entries.delete(name);
        if (entry !== undefined) return entry;
      }
    }
    return undefined;
  }

  clear(): void {
    this.#entries.clear();
    for (const names of this.#order) names.clear();
  }

  #raise(name: string, entry: Entry, level: number): void {
    this.#order[entry.level]?.delete(name);
    entry.level = level;
    this.#order[level]?.add(name);
  }

  /** Makes room by leaving one out that can wait longer than `level`. */
  #drop(level: number): boolean {
    for (let last = levels - 1; last > level; last--) {
      for (const name of this.#order[last] ?? []) {
        this.#order[last]?.delete(name);
        this.#entries.delete(name);
        this.#leftOut = true;
        return true;
      }
    }
    return false;
  }
}

function nameOf(chunkId: Uint8Array): string {
  return Buffer.from(chunkId.buffer, chunkId.byteOffset, chunkId.byteLength).toString('latin1');
}
