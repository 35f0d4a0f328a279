/**
 * Chunks that are being read. What is removed meanwhile keeps its shards until the last reader is done.
 */
export class ChunkPins {
  readonly #counts = new Map<string, number>();

  get size(): number {
    return this.#counts.size;
  }

  has(chunkId: Uint8Array): boolean {
    return this.#counts.has(nameOf(chunkId));
  }

  /** @returns what unpins them, once */
  pin(chunkIds: readonly Uint8Array[]): Disposable {
    const names = chunkIds.map(nameOf);
    for (const name of names) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    return { [Symbol.dispose]: () => this.#unpin(names.splice(0)) };
  }

  #unpin(names: readonly string[]): void {
    for (const name of names) {
      const count = (this.#counts.get(name) ?? 1) - 1;
      if (count === 0) this.#counts.delete(name);
      else this.#counts.set(name, count);
    }
  }
}

function nameOf(chunkId: Uint8Array): string {
  return Buffer.from(chunkId.buffer, chunkId.byteOffset, chunkId.byteLength).toString('latin1');
}
