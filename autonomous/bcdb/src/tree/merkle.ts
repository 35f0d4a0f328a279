/** SHA-256 of some bytes: node:crypto on a server, @noble/hashes in a browser. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** Bytes of a hash. */
export const hashBytes = 32;

/**
 * The hashes of the tree of RFC 6962, section 2.1. Leaves and nodes begin with a byte of their own,
 * so that no leaf passes for a node.
 */
export class TreeHasher {
  /** Root of the tree without leaves: the hash of nothing. */
  readonly emptyRoot: Uint8Array;
  readonly #sha256: Sha256;
  /** 1, then two hashes: nodes are hashed by the million. */
  readonly #node = new Uint8Array(1 + 2 * hashBytes).fill(1, 0, 1);

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
    this.emptyRoot = sha256(new Uint8Array());
  }

  /** SHA-256(0x00 || leaf). */
  leafHash(leaf: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(1 + leaf.length);
    bytes.set(leaf, 1);
    return this.#sha256(bytes);
  }

  /** SHA-256(0x01 || left || right). */
  nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
    this.#node.set(left, 1);
    this.#node.set(right, 1 + hashBytes);
    return this.#sha256(this.#node);
  }
}

/** Compares hashes, which are public: how long it takes may tell where they differ. */
export function isSameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** Where a tree of `size` >= 2 leaves is split: the largest power of two below `size`. */
export function splitPoint(size: number): number {
  let left = 1;
  while (left * 2 < size) left *= 2;
  return left;
}

/** Height of a complete tree of that many leaves; undefined unless it is a power of two. */
export function completeHeight(size: number): number | undefined {
  let height = 0;
  let rest = size;
  while (rest > 1 && rest % 2 === 0) {
    rest /= 2;
    height++;
  }
  return rest === 1 ? height : undefined;
}
