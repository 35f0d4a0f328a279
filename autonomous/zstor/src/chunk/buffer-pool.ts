import assert from 'node:assert/strict';

/**
 * Most bytes that a pool keeps for nobody; what comes back beyond it is freed. Three chunks of 64 MiB
 * with their parity: without them such a stream has 60 % of its speed.
 */
const idleBytesMax = 256 * 2 ** 20;
/** Buffers have whole multiples of it, so that chunks of nearly one length share theirs. */
const capacityStepBytes = 256 * 2 ** 10;

/**
 * Large buffers for the next chunk. A fresh one costs a page fault for each 4 KiB, as much in all as
 * the encryption of what it will hold. Whoever does not give a buffer back leaves it to the garbage
 * collector, with no harm.
 */
export class BufferPool {
  readonly #idle = new Map<number, ArrayBuffer[]>();
  #idleBytes = 0;

  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** A buffer of this length, with anything in it. */
  take(lengthBytes: number): Buffer<ArrayBuffer> {
    const capacity = Math.max(1, Math.ceil(lengthBytes / capacityStepBytes)) * capacityStepBytes;
    const found = this.#idle.get(capacity)?.pop();
    if (found !== undefined) this.#idleBytes -= capacity;
    const memory = found ?? Buffer.allocUnsafeSlow(capacity).buffer;
    return Buffer.from(memory, 0, lengthBytes);
  }

  /**
   * Takes back what `take` gave, or a part of it. Nobody may use that memory any more.
   * A buffer that came by a message from another thread is as good.
   */
  give({ buffer }: Uint8Array<ArrayBuffer>): void {
    const capacity = buffer.byteLength;
    assert(capacity > 0 && capacity % capacityStepBytes === 0, 'a buffer of a pool comes back');
    const idle = this.#idle.get(capacity) ?? [];
    assert(!idle.includes(buffer), 'a buffer comes back once');
    if (this.#idleBytes + capacity > idleBytesMax) {
      buffer.transfer(0);
      return;
    }
    idle.push(buffer);
    this.#idle.set(capacity, idle);
    this.#idleBytes += capacity;
  }
}

let threadPool: BufferPool | undefined;

/** The pool of this thread. */
export function sharedPool(): BufferPool {
  return (threadPool ??= new BufferPool());
}

/**
 * Gives back a value that a backend answered and that nobody uses any more: a large one to the pool
 * of this thread, which it came from; another one is freed.
 */
export function giveValue(value: Uint8Array): void {
  if (!Buffer.isBuffer(value)) return;
  const { buffer, byteOffset, byteLength } = value;
  const isPart = byteOffset === 0 && byteLength < buffer.byteLength;
  const isPooled = isPart && buffer.byteLength % capacityStepBytes === 0;
  if (isPooled && buffer instanceof ArrayBuffer) sharedPool().give(Buffer.from(buffer));
  else freeBuffer(value);
}

/**
 * Frees a buffer that Node made and that nobody else has, at once: the next one is then made of the
 * same memory, which is still in the cache. Waiting for the garbage collector halves the speed of a
 * cipher. What does not own exactly its memory, as small buffers do not, is left alone.
 */
export function freeBuffer({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
