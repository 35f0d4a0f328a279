/** Bits for each key: with four probes, one absent key in a hundred looks as if it were there. */
const bitsPerKey = 10;
const probes = 4;

/** Keys that an empty filter has room for. */
const initialKeys = 1 << 16;

/**
 * Says of most keys that are not in a table that they are not, without asking the table (Bloom 1970).
 * It never says so of one that is.
 */
export class KeyFilter {
  readonly #bits: Uint32Array;
  readonly #mask: number;
  #keys = 0;
  readonly #keysMax: number;

  /** @param keys how many it is going to hold */
  constructor(keys = 0) {
    this.#keysMax = 2 ** Math.ceil(Math.log2(Math.max(initialKeys, keys * 2)));
    const bits = 2 ** Math.ceil(Math.log2(this.#keysMax * bitsPerKey));
    this.#bits = new Uint32Array(bits / 32);
    this.#mask = bits - 1;
  }

  /** Whether it has taken more keys than it is good for: time to make a larger one. */
  get isFull(): boolean {
    return this.#keys >= this.#keysMax;
  }

  add(key: string): void {
    this.#keys++;
    const [first, step] = hashes(key);
    for (let probe = 0, at = first; probe < probes; probe++, at = (at + step) | 0) {
      const bit = at & this.#mask;
      this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] ?? 0) | (1 << (bit & 31));
    }
  }

  /** False: the key was never added. */
  mayHave(key: string): boolean {
    const [first, step] = hashes(key);
    for (let probe = 0, at = first; probe < probes; probe++, at = (at + step) | 0) {
      const bit = at & this.#mask;
      if (((this.#bits[bit >>> 5] ?? 0) & (1 << (bit & 31))) === 0) return false;
    }
    return true;
  }
}

/** FNV-1a, and the same stirred once more as the step between probes. */
function hashes(key: string): readonly [number, number] {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  const first = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  const step = Math.imul(first ^ (first >>> 12), 0x297a2d39) | 1;
  return [first ^ (first >>> 15), step];
}
