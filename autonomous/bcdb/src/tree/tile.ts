import { hashBytes } from './merkle.ts';
import type { TreeHasher } from './merkle.ts';

/** Hashes of a full tile, as in C2SP tlog-tiles. */
export const tileWidth = 256;

/** A tile holds that many levels of the tree: 256 is 2 to the 8th. */
export const tileHeight = 8;

/**
 * Up to 256 neighbouring hashes of one level of tiles, and the tree above them up to their common
 * root. Hashes come to the right and never change; nodes are computed when they are first asked for.
 */
export class Tile {
  readonly #hasher: TreeHasher;
  /** 256 hashes, then the 128 above them, and so on to the root. */
  readonly #hashes: Uint8Array;
  readonly #isKnown = new Uint8Array(2 * tileWidth - 1);
  #width = 0;

  constructor(hasher: TreeHasher, bytes: Uint8Array = new Uint8Array()) {
    this.#hasher = hasher;
    this.#hashes = new Uint8Array((2 * tileWidth - 1) * hashBytes);
    this.#hashes.set(bytes);
    this.#width = bytes.length / hashBytes;
  }

  get width(): number {
    return this.#width;
  }

  get isFull(): boolean {
    return this.#width === tileWidth;
  }

  push(hash: Uint8Array): void {
    this.#hashes.set(hash, this.#width * hashBytes);
    this.#width++;
  }

  /** Root over the 2^height hashes from `index * 2^height` on, all of which are there. */
  node(height: number, index: number): Uint8Array {
    if (height === 0) return this.#at(index);
    const place = 2 * tileWidth - (2 * tileWidth) / 2 ** height + index;
    if (this.#isKnown[place] === 0) {
      const [left, right] = [
        this.node(height - 1, 2 * index),
        this.node(height - 1, 2 * index + 1),
      ];
      this.#hashes.set(this.#hasher.nodeHash(left, right), place * hashBytes);
      this.#isKnown[place] = 1;
    }
    return this.#at(place);
  }

  /** Its first hashes one after the other: what tlog-tiles serves. */
  bytes(width = this.#width): Uint8Array {
    return this.#hashes.slice(0, width * hashBytes);
  }

  #at(place: number): Uint8Array {
    return this.#hashes.subarray(place * hashBytes, (place + 1) * hashBytes);
  }
}
