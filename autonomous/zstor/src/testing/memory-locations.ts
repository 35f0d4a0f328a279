import type { ChunkRecord, Locations } from '../blob/chunk-record.ts';

/** The records of chunks in a map, for tests that need no catalogue. */
export class MemoryLocations implements Locations {
  readonly #records = new Map<string, ChunkRecord>();

  readonly register = async (records: readonly ChunkRecord[]): Promise<void> => {
    for (const record of records) this.#records.set(keyOf(record.id), record);
  };

  get all(): readonly ChunkRecord[] {
    return [...this.#records.values()];
  }

  find(chunkId: Uint8Array): ChunkRecord | undefined {
    return this.#records.get(keyOf(chunkId));
  }

  async compareAndSet(
    chunkId: Uint8Array,
    expected: readonly number[],
    next: readonly number[],
  ): Promise<boolean> {
    const record = this.find(chunkId);
    if (record === undefined || String(record.locations) !== String(expected)) return false;
    this.#records.set(keyOf(chunkId), { ...record, locations: next });
    return true;
  }
}

function keyOf(chunkId: Uint8Array): string {
  return Buffer.from(chunkId).toString('hex');
}
