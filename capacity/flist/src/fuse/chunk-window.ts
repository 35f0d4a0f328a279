import type { ChunkHash } from '../ports.ts';
import { chunkBytes, hashBytes } from '../tree/inode.ts';

/** Chunks in the window, 16 MiB: as many as are fetched ahead of one reader. */
const windowChunksMax = 32;

/** Int32s that say what a place has: its state, then the hash. */
const headInts = 1 + hashBytes / Int32Array.BYTES_PER_ELEMENT;

/** What a place is for. Who changes it from `filled` has it alone until it is `filled` again. */
const states = { empty: 0, filled: 1, taken: 2 } as const;

/**
 * Verified chunks that readers will soon ask for, in memory that two threads share: one puts, one
 * reads. What is read there came from no disk, so it needs no hashing again. It has
 * the newest; each chunk is in a file of the store as well.
 */
export class ChunkWindow {
  /** What the other thread makes its own window of. */
  readonly memory: SharedArrayBuffer;
  readonly #heads: Int32Array<SharedArrayBuffer>;
  readonly #hashes: Buffer;
  readonly #bytes: Buffer;
  #next = 0;

  constructor(memory = new SharedArrayBuffer(windowChunksMax * placeBytes)) {
    this.memory = memory;
    this.#heads = new Int32Array(memory, 0, windowChunksMax * headInts);
    this.#hashes = Buffer.from(memory, 0, this.#heads.byteLength);
    this.#bytes = Buffer.from(memory, this.#heads.byteLength);
  }

  /** Takes a chunk of full length, in place of the oldest; others it leaves. */
  put(hash: ChunkHash, plaintext: Uint8Array): void {
    if (plaintext.length !== chunkBytes) return;
    const place = this.#next;
    this.#next = (place + 1) % windowChunksMax;
    const state = Atomics.load(this.#heads, place * headInts);
    // It is being read: then this chunk is read from its file.
    if (state === states.taken || !this.#take(place, state)) return;
    this.#hashes.write(hash, hashAt(place), 'hex');
    this.#bytes.set(plaintext, place * chunkBytes);
    this.#release(place);
  }

  /**
   * Copies bytes of a chunk from `offset` on, as many as `out` has.
   * @param hash of the chunk, 32 bytes
   * @returns false when it is not in the window
   */
  read(hash: Uint8Array, offset: number, out: Buffer): boolean {
    const [sign] = new Int32Array(Uint8Array.from(hash.subarray(0, 4)).buffer);
    for (let place = 0; place < windowChunksMax; place++) {
      // Most places are passed without taking them.
      if (Atomics.load(this.#heads, place * headInts + 1) !== sign) continue;
      if (!this.#take(place, states.filled)) continue;
      const at = hashAt(place);
      const isIt = this.#hashes.compare(hash, 0, hashBytes, at, at + hashBytes) === 0;
      const start = place * chunkBytes + offset;
      if (isIt) this.#bytes.copy(out, 0, start, start + out.length);
      this.#release(place);
      if (isIt) return true;
    }
    return false;
  }

  #take(place: number, from: number): boolean {
    return Atomics.compareExchange(this.#heads, place * headInts, from, states.taken) === from;
  }

  #release(place: number): void {
    Atomics.store(this.#heads, place * headInts, states.filled);
  }
}

const placeBytes = headInts * Int32Array.BYTES_PER_ELEMENT + chunkBytes;

/** Where the hash of a place is in the heads. */
function hashAt(place: number): number {
  return (place * headInts + 1) * Int32Array.BYTES_PER_ELEMENT;
}
