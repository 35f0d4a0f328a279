/** Bits for each key: with four probes, one absent key in a hundred looks as if it were there. */
const bitsPerKey = 10;
const probes = 4;

/** Keys that an empty filter has room for. */
const initialKeys = 1 << 16;

/**
 * Says of most keys that are not in a table that they are not, without asking the table (Bloom 1970).
 * It never says so of one that is. When it is full another part with twice the room is put beside it,
 * so that it grows without reading the table again (Almeida et al. 2007).
 */
export class KeyFilter {
  readonly #parts: FilterPart[];

  /** @param keys how many it is going to hold */
  constructor(keys = 0) {
    this.#parts = [new FilterPart(Math.max(initialKeys, keys * 2))];
  }

  add(key: string): void {
    const spot = spotOf(key);
    if (this.#parts.some((part) => part.has(spot))) return;
    let part = this.#parts.at(-1);
    if (part === undefined || part.isFull) {
      part = new FilterPart((part?.keysMax ?? initialKeys) * 2);
      this.#parts.push(part);
    }
    part.add(spot);
  }

  /** False: the key was never added. */
  mayHave(key: string): boolean {
    const spot = spotOf(key);
    return this.#parts.some((part) => part.has(spot));
  }
}

/** Where the probes of a key begin, and how far apart they are. */
interface Spot {
  readonly first: number;
  readonly step: number;
}

/** A filter of one size. */
class FilterPart {
  readonly keysMax: number;
  readonly #bits: Uint32Array;
  readonly #mask: number;
  #keys = 0;

  constructor(keys: number) {
    this.keysMax = 2 ** Math.ceil(Math.log2(keys));
    const bits = 2 ** Math.ceil(Math.log2(this.keysMax * bitsPerKey));
    this.#bits = new Uint32Array(bits / 32);
    this.#mask = bits - 1;
  }

  get isFull(): boolean {
    return this.#keys >= this.keysMax;
  }

  add({ first, step }: Spot): void {
    this.#keys++;
    for (let probe = 0, at = first; probe < probes; probe++, at = (at + step) | 0) {
      const bit = at & this.#mask;
      this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] ?? 0) | (1 << (bit & 31));
    }
  }

  has({ first, step }: Spot): boolean {
    for (let probe = 0, at = first; probe < probes; probe++, at = (at + step) | 0) {
      const bit = at & this.#mask;
      if (((this.#bits[bit >>> 5] ?? 0) & (1 << (bit & 31))) === 0) return false;
    }
    return true;
  }
}

/** FNV-1a, and the same stirred once more as the step between probes. */
function spotOf(key: string): Spot {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  const first = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  const step = Math.imul(first ^ (first >>> 12), 0x297a2d39) | 1;
  return { first: first ^ (first >>> 15), step };
}
