import { Frontier } from '../tree/frontier.ts';
import type { FrontierState } from '../tree/frontier.ts';
import { treeHasher } from '../tree/node-hasher.ts';

/**
 * Roots of the log at sizes within a batch under way, which the tree does not have yet. Nothing is
 * hashed until somebody asks, and each root once.
 */
export class BatchRoots {
  readonly #from: number;
  readonly #leafHashAt: (index: number) => Uint8Array | undefined;
  readonly #frontier: Frontier;
  readonly #roots: Uint8Array[];

  /** Of a batch on top of `before`. */
  constructor(before: FrontierState, leafHashAt: (index: number) => Uint8Array | undefined) {
    this.#from = before.size;
    this.#leafHashAt = leafHashAt;
    this.#frontier = new Frontier(treeHasher, before);
    this.#roots = [this.#frontier.root()];
  }

  /** Undefined when the batch does not reach that size, or begins above it. */
  at(size: number): Uint8Array | undefined {
    while (this.#from + this.#roots.length <= size) {
      const leafHash = this.#leafHashAt(this.#roots.length - 1);
      if (leafHash === undefined) return undefined;
      this.#frontier.append(leafHash);
      this.#roots.push(this.#frontier.root());
    }
    return this.#roots[size - this.#from];
  }
}
