import { hashBytes } from '../tree/merkle.ts';
import type { TreeHasher } from '../tree/merkle.ts';
import { inclusionProof, rootAt } from '../tree/proof.ts';
import type { NodeReader } from '../tree/proof.ts';
import { feedLeafHash } from './feed-hash.ts';
import type { FeedHead } from './feed-hash.ts';

/** Where a reader stands in a tree of feeds. */
export interface FeedPlace {
  readonly reader: string;
  readonly index: number;
  readonly head: FeedHead;
}

/**
 * The tree of RFC 6962 over the feeds of all readers, sorted by reader. It stays in memory: about
 * 200 bytes a reader. What changes costs its way to the root; a new reader moves all behind it, and
 * these are hashed anew.
 */
export class FeedTree implements NodeReader {
  readonly hasher: TreeHasher;
  #readers: string[] = [];
  #heads: FeedHead[] = [];
  readonly #places = new Map<string, number>();
  /** Hashes of complete trees of height 0, 1, ..., one after the other. */
  #levels: Uint8Array[] = [];

  constructor(hasher: TreeHasher) {
    this.hasher = hasher;
  }

  /** How many readers there are. */
  get size(): number {
    return this.#readers.length;
  }

  root(): Uint8Array {
    return rootAt(this, this.size);
  }

  /** Root over the leaves `[index * 2^height, (index + 1) * 2^height)`, as a view. */
  node(height: number, index: number): Uint8Array {
    const level = this.#levels[height] ?? new Uint8Array();
    return level.subarray(index * hashBytes, (index + 1) * hashBytes);
  }

  /** Takes over how far these feeds have come. */
  update(heads: ReadonlyMap<string, FeedHead>): void {
    const added = [...heads.keys()].filter((reader) => !this.#places.has(reader)).toSorted();
    const stable = this.#insert(added);
    const changed: number[] = [];
    for (const [reader, head] of heads) {
      const place = this.#places.get(reader) ?? 0;
      this.#heads[place] = head;
      if (place < stable) changed.push(place);
    }
    for (let place = stable; place < this.size; place++) changed.push(place);
    this.#rehash(changed.toSorted((a, b) => a - b));
  }

  /** Forgets all readers. */
  clear(): void {
    this.#readers = [];
    this.#heads = [];
    this.#places.clear();
    this.#levels = [];
  }

  /** A reader's place; where it has none, its neighbours, which show that. */
  placesOf(reader: string): readonly FeedPlace[] {
    const place = this.#places.get(reader);
    if (place !== undefined) return this.#placeAt(place);
    const after = this.#readers.findIndex((one) => one > reader);
    const index = after < 0 ? this.size : after;
    return [...this.#placeAt(index - 1), ...this.#placeAt(index)];
  }

  /** Shows that a place is in the tree. */
  proof(index: number): Uint8Array[] {
    return inclusionProof(this, index, this.size).map((hash) => new Uint8Array(hash));
  }

  #placeAt(index: number): readonly FeedPlace[] {
    const [reader, head] = [this.#readers[index], this.#heads[index]];
    return reader === undefined || head === undefined ? [] : [{ reader, index, head }];
  }

  /** Makes room for new readers; returns the first place that is another's now. */
  #insert(added: readonly string[]): number {
    const [first] = added;
    if (first === undefined) return this.size;
    const known = this.#readers.findIndex((reader) => reader > first);
    const from = known < 0 ? this.size : known;
    const heads = new Map(
      this.#readers.slice(from).map((reader, index) => [reader, this.#heads[from + index]]),
    );
    const tail = [...heads.keys(), ...added].toSorted();
    this.#readers.length = from;
    this.#heads.length = from;
    for (const reader of tail) {
      this.#places.set(reader, this.#readers.length);
      this.#readers.push(reader);
      // That of a new reader is among those that the caller brings.
      this.#heads.push(heads.get(reader) ?? { count: 0, chain: new Uint8Array(hashBytes) });
    }
    return from;
  }

  /** Hashes these leaves, which are sorted, and what lies above them. */
  #rehash(leaves: readonly number[]): void {
    const bottom = this.#levelOf(0, this.size);
    for (const leaf of leaves) {
      const [reader, head] = [this.#readers[leaf], this.#heads[leaf]];
      if (reader === undefined || head === undefined) continue;
      bottom.set(feedLeafHash(this.hasher, reader, head), leaf * hashBytes);
    }
    let dirty = leaves;
    for (let height = 1; 2 ** height <= this.size; height++) {
      const width = Math.floor(this.size / 2 ** height);
      const level = this.#levelOf(height, width);
      const above: number[] = [];
      for (const below of dirty) {
        const index = Math.floor(below / 2);
        if (index >= width || above.at(-1) === index) continue;
        above.push(index);
        const [left, right] = [
          this.node(height - 1, 2 * index),
          this.node(height - 1, 2 * index + 1),
        ];
        level.set(this.hasher.nodeHash(left, right), index * hashBytes);
      }
      dirty = above;
    }
  }

  /** A level with room for so many hashes; doubling leaves it room to grow. */
  #levelOf(height: number, width: number): Uint8Array {
    const level = this.#levels[height] ?? new Uint8Array();
    if (level.length >= width * hashBytes) return level;
    const larger = new Uint8Array(Math.max(16, 2 * width) * hashBytes);
    larger.set(level);
    this.#levels[height] = larger;
    return larger;
  }
}
