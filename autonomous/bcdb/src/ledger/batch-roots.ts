import type { Frontier } from '../tree/frontier.ts';

/**
 * Roots of the log at sizes within a batch under way, which the tree does not have yet. Nothing is
 * hashed until somebody asks, and each root once.
 */
export class BatchRoots {
  readonly #from: number;
  readonly #leafHashAt: (index: number) => Uint8Array | undefined;
  readonly #frontier: Frontier;
  readonly #roots: Uint8Array[] = [];

  /** Of a batch on top of a tree, whose right edge is appended to here. */
  constructor(frontier: Frontier, leafHashAt: (index: number) => Uint8Array | undefined) {
    this.#from = frontier.size;
    this.#leafHashAt = leafHashAt;
    this.#frontier = frontier;
  }

  /** Undefined where the batch does not reach that size, and below its first record. */
  at(size: number): Uint8Array | undefined {
    while (this.#frontier.size < size) {
      const leafHash = this.#leafHashAt(this.#roots.length);
      if (leafHash === undefined) return undefined;
      this.#frontier.append(leafHash);
      this.#roots.push(this.#frontier.root());
    }
    return this.#roots[size - this.#from - 1];
  }
}
