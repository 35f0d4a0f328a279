/**
 * Memory for replies, shared by all connections of a server: an idle connection holds none, and
 * a busy one gets what was used last and is still in the processor's cache.
 */
export class MemoryPool {
  readonly #free: Buffer[] = [];

  acquire(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(memoryBytes);
  }

  /** Takes memory back; memory of another size, or too much of it, is left to the collector. */
  release(memory: Buffer): void {
    if (memory.length === memoryBytes && this.#free.length < maxFree) this.#free.push(memory);
  }
}

/** Size of one piece: sixteen replies of half a KiB. */
export const memoryBytes = 16 * 1024;
/** Pieces kept for reuse: 4 MiB. */
const maxFree = 256;
