import { hashBytes } from '../tree/merkle.ts';
import { sha256, treeHasher } from '../tree/node-hasher.ts';
import { batchProof } from '../tree/batch-proof.ts';
import { rootAt } from '../tree/proof.ts';
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
 * what lies above those is hashed anew.
 */
export class FeedTree implements NodeReader {
  readonly hasher = treeHasher;
  #readers: string[] = [];
  #heads: FeedHead[] = [];
  readonly #places = new Map<string, number>();
  /** Hashes of complete trees of height 0, 1, ..., one after the other. */
  #levels: Uint8Array[] = [];

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
    const moved = this.#insert([...heads.keys()].filter((reader) => !this.#places.has(reader)));
    const leaves = this.#levelOf(0, this.size);
    const changed: number[] = [];
    for (const [reader, head] of heads) {
      const place = this.#places.get(reader) ?? 0;
      this.#heads[place] = head;
      leaves.set(feedLeafHash(sha256, reader, head), place * hashBytes);
      if (place < moved) changed.push(place);
    }
    const dirty = [...Uint32Array.from(changed).sort()];
    for (let place = moved; place < this.size; place++) dirty.push(place);
    this.#rehash(dirty);
  }

  /** Forgets all readers. */
  clear(): void {
    this.#readers = [];
    this.#heads = [];
    this.#places.clear();
    this.#levels = [];
  }

  /** How many records a reader has. */
  countOf(reader: string): number {
    const place = this.#places.get(reader);
    return (place === undefined ? undefined : this.#heads[place])?.count ?? 0;
  }

  /** A reader's place; where it has none, its neighbours, which show that. */
  placesOf(reader: string): readonly FeedPlace[] {
    const place = this.#places.get(reader);
    if (place !== undefined) return this.#placeAt(place);
    const index = this.#placeFor(reader, this.size);
    return [...this.#placeAt(index - 1), ...this.#placeAt(index)];
  }

  /** Shows that places, ascending, are in the tree. */
  proof(indexes: readonly number[]): Uint8Array[] {
    return batchProof(this, indexes, this.size);
  }

  #placeAt(index: number): readonly FeedPlace[] {
    const [reader, head] = [this.#readers[index], this.#heads[index]];
    return reader === undefined || head === undefined ? [] : [{ reader, index, head }];
  }

  /** Makes room for new readers; returns the first place that is another's now. */
  #insert(added: readonly string[]): number {
    let from = this.size;
    let to = from + added.length;
    const leaves = this.#levelOf(0, to);
    this.#readers.length = to;
    this.#heads.length = to;
    // From the end, so that each reader moves once.
    for (const reader of added.toSorted().toReversed()) {
      const place = this.#placeFor(reader, from);
      to -= from - place;
      this.#readers.copyWithin(to, place, from);
      this.#heads.copyWithin(to, place, from);
      leaves.copyWithin(to * hashBytes, place * hashBytes, from * hashBytes);
      from = place;
      this.#readers[--to] = reader;
    }
    for (let place = to; place < this.size; place++) {
      this.#places.set(this.#readers[place] ?? '', place);
    }
    return to;
  }

  /** Where a new reader belongs among the first `end`. */
  #placeFor(reader: string, end: number): number {
    let [low, high] = [0, end];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.#readers[middle] ?? '') < reader) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Hashes what lies above these leaves, which are sorted. */
  #rehash(leaves: readonly number[]): void {
    let dirty = leaves;
    for (let height = 1; 2 ** height <= this.size; height++) {
      const width = Math.floor(this.size / 2 ** height);
      const level = this.#levelOf(height, width);
      const above: number[] = [];
      let last = -1;
      for (const below of dirty) {
        const index = Math.floor(below / 2);
        if (index >= width || index === last) continue;
        last = index;
        above.push(index);
        const left = this.node(height - 1, 2 * index);
        const right = this.node(height - 1, 2 * index + 1);
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
