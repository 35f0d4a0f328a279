/**
 * Memory for large values that is used again. A fresh buffer for each costs page faults, and its
 * bytes outside of the heap make V8 collect far more often than its objects call for.
 *
 * What was acquired is released at most once, when nobody reads or writes it any more. What is
 * never released is left to the collector, so a path that fails may just forget it.
 */
export class LargeMemory {
  readonly #keptBytesMax: number;
  /** The last released, which the processor's cache still has, stands last. */
  readonly #free: Buffer[] = [];
  #keptBytes = 0;

  constructor(keptBytesMax = largeMemoryKeptBytesMax) {
    this.#keptBytesMax = keptBytesMax;
  }

  /** Bytes that wait to be used again. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** A buffer of at least so many bytes, with anything in it. */
  acquire(sizeBytes: number): Buffer {
    if (sizeBytes < largeMemoryBytesMin || sizeBytes > largeMemoryBytesMax) {
      return Buffer.allocUnsafeSlow(sizeBytes);
    }
    const wanted = Math.ceil(sizeBytes / granuleBytes) * granuleBytes;
    const at = this.#free.findLastIndex((memory) => memory.length === wanted);
    if (at < 0) return Buffer.allocUnsafeSlow(wanted);
    const [memory] = this.#free.splice(at, 1);
    this.#keptBytes -= wanted;
    return memory ?? Buffer.allocUnsafeSlow(wanted);
  }

  /** Takes back what `acquire` gave. Too much of it: what was not wanted for longest goes. */
  release(memory: Buffer): void {
    const { length } = memory;
    if (length < largeMemoryBytesMin || length > largeMemoryBytesMax) return;
    if (length % granuleBytes !== 0) return;
    this.#free.push(memory);
    this.#keptBytes += length;
    while (this.#keptBytes > this.#keptBytesMax) {
      this.#keptBytes -= this.#free.shift()?.length ?? 0;
    }
  }
}

/**
 * Memory of `largeMemory` that several use at once. It goes back when the last of them has let go
 * of it; one who never does leaves it to the collector.
 */
export class SharedMemory {
  readonly bytes: Buffer;
  /** The one who made it is the first. */
  #holders = 1;

  /** At least so many bytes. */
  constructor(sizeBytes: number) {
    this.bytes = largeMemory.acquire(sizeBytes);
  }

  hold(): void {
    if (this.#holders === 0) throw new Error('memory is held that went back already');
    this.#holders++;
  }

  letGo(): void {
    if (this.#holders === 0) throw new Error('memory is let go of that went back already');
    this.#holders--;
    if (this.#holders === 0) largeMemory.release(this.bytes);
  }
}

/** Whose memory somebody else may need for longer than the owner does. */
export interface MemoryOwner {
  /**
   * Keeps the memory as it is until the caller lets go of what is answered; until the collector
   * takes it, when that is nothing.
   */
  share(): SharedMemory | undefined;
}

/** Below it malloc is as good. */
export const largeMemoryBytesMin = 16 * 1024;
/** Larger memory is not kept. */
export const largeMemoryBytesMax = 4 * 1024 * 1024;
/** Bytes that are kept to be used again, in a process. */
const largeMemoryKeptBytesMax = 32 * 1024 * 1024;
/** Sizes are multiples of it, so that values of nearly one size share memory. */
const granuleBytes = 16 * 1024;

/** What a process shares. */
export const largeMemory: LargeMemory = new LargeMemory();
