import type { TreeHasher } from './merkle.ts';

/** What a frontier is made of. Its hashes are never changed, so states can share them. */
export interface FrontierState {
  readonly size: number;
  /** Roots of the complete trees that make up the whole, the largest first: a bit of `size` each. */
  readonly hashes: readonly Uint8Array[];
}

/**
 * The right edge of a tree: all that is needed to append leaves and to know the root. One node is
 * hashed for each leaf, on average.
 */
export class Frontier {
  readonly #hasher: TreeHasher;
  #size = 0;
  #hashes: Uint8Array[] = [];

  constructor(hasher: TreeHasher, state?: FrontierState) {
    this.#hasher = hasher;
    if (state !== undefined) this.restore(state);
  }

  /** Leaves appended so far. */
  get size(): number {
    return this.#size;
  }

  append(leafHash: Uint8Array): void {
    const hashes = this.#hashes;
    let right = leafHash;
    // Two complete trees of one size become one, as a carry goes through the ones of a counter.
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      right = this.#hasher.nodeHash(hashes.pop() ?? right, right);
    }
    hashes.push(right);
    this.#size++;
  }

  root(): Uint8Array {
    if (this.#size === 0) return this.#hasher.emptyRoot;
    return this.#hashes.reduceRight((right, left) => this.#hasher.nodeHash(left, right));
  }

  save(): FrontierState {
    return { size: this.#size, hashes: [...this.#hashes] };
  }

  /** Goes back, or on, to a saved state. */
  restore({ size, hashes }: FrontierState): void {
    this.#size = size;
    this.#hashes = [...hashes];
  }
}
