/*
 * Where each key's newest record stands. Keys are not kept: a slot holds 47 bits of the key's hash and
 * the place of the record; who looks up compares the key on the record itself.
 *
 * Slot, four 32-bit words:
 *   0 hash, low half
 *   1 offset / 8 (25 bits), 7 more hash bits
 *   2 segment number in memory (23 bits, 0 = free slot), deleted (1 bit), 8 more hash bits
 *   3 value length (24 bits), key length (8 bits)
 *
 * Slots stand in shards that are found by the low hash bits (extendible hashing); the place in a shard
 * comes from the high bits, by linear probing. A full shard grows by half, a large one splits, so no
 * single step handles more than SHARD_SLOTS_MAX slots. Load stays between 0.53 and 0.8: 20 to 30 bytes
 * a key.
 */

const SLOT_WORDS = 4;
const SHARD_SLOTS_MIN = 16;
/** Slots of a shard: it is split before it needs more. */
const SHARD_SLOTS_MAX = 32 * 1024;
/** Part of a shard that is used before it grows. */
const LOAD_MAX = 0.8;
const DELETED = 1 << 23;
const SEGMENT_MASK = 0x7fffff;
const OFFSET_MASK = 0x1ffffff;

export class Shard {
  slots: Uint32Array;
  capacity: number;
  used = 0;
  /** How many low hash bits all keys of this shard share. */
  depth: number;
  /** Records up to this sequence are in here already (after loading a checkpoint). */
  sequence = 0;

  constructor(capacity: number, depth: number, slots?: Uint32Array) {
    this.capacity = capacity;
    this.depth = depth;
    this.slots = slots ?? new Uint32Array(capacity * SLOT_WORDS);
  }
}

export class KeyIndex {
  /** Keys whose newest record is a value. */
  liveCount = 0;
  /** Keys whose newest record is a deletion. */
  deletedCount = 0;
  #directory: Shard[];
  #depth = 0;

  // The slot that the last first() or next() stopped at.
  #shard: Shard;
  #slot = 0;
  #word0 = 0;
  #bits1 = 0;
  #bits2 = 0;
  #keyLength = 0;

  constructor() {
    this.#shard = new Shard(SHARD_SLOTS_MIN, 0);
    this.#directory = [this.#shard];
  }

  /** Moves to the first slot that may belong to the key; false when there is none. */
  first(low: number, high: number, keyLength: number): boolean {
    const shard = this.#directory[low & (this.#directory.length - 1)] as Shard;
    this.#shard = shard;
    this.#word0 = low;
    this.#bits1 = (high << 25) >>> 0;
    this.#bits2 = ((high << 17) & 0xff000000) >>> 0;
    this.#keyLength = keyLength;
    return this.#seek(home(low, shard.capacity));
  }

  /** Moves on to the next slot that may belong to the same key. */
  next(): boolean {
    const following = this.#slot + 1;
    return this.#seek(following === this.#shard.capacity ? 0 : following);
  }

  #seek(from: number): boolean {
    const { slots, capacity } = this.#shard;
    const word0 = this.#word0;
    for (let slot = from, probes = 0; probes <= capacity; probes++) {
      const at = slot * SLOT_WORDS;
      const word2 = slots[at + 2] as number;
      if (word2 === 0) {
        this.#slot = slot;
        return false;
      }
      if (
        slots[at] === word0 &&
        (word2 & 0xff000000) >>> 0 === this.#bits2 &&
        ((slots[at + 1] as number) & ~OFFSET_MASK) >>> 0 === this.#bits1 &&
        (slots[at + 3] as number) >>> 24 === this.#keyLength
      ) {
        this.#slot = slot;
        return true;
      }
      slot = slot + 1 === capacity ? 0 : slot + 1;
    }
    throw new Error('an index shard has no free slot');
  }

  /** Segment number of the found slot. */
  get segment(): number {
    return (this.#shard.slots[this.#slot * SLOT_WORDS + 2] as number) & SEGMENT_MASK;
  }
  /** Offset in the segment, bytes. */
  get offset(): number {
    return ((this.#shard.slots[this.#slot * SLOT_WORDS + 1] as number) & OFFSET_MASK) * 8;
  }
  get isDeleted(): boolean {
    return ((this.#shard.slots[this.#slot * SLOT_WORDS + 2] as number) & DELETED) !== 0;
  }
  /** Packed lengths of key and value, as in the record. */
  get lengths(): number {
    return this.#shard.slots[this.#slot * SLOT_WORDS + 3] as number;
  }

  /** Largest sequence that the shard of this hash already holds from a checkpoint. */
  loadedSequence(low: number): number {
    return (this.#directory[low & (this.#directory.length - 1)] as Shard).sequence;
  }

  /** Points the found slot at a newer record of the same key. */
  replace(segment: number, offset: number, isDeleted: boolean, lengths: number): void {
    const at = this.#slot * SLOT_WORDS;
    const slots = this.#shard.slots;
    const wasDeleted = ((slots[at + 2] as number) & DELETED) !== 0;
    if (wasDeleted !== isDeleted) {
      const step = isDeleted ? -1 : 1;
      this.liveCount += step;
      this.deletedCount -= step;
    }
    slots[at + 1] = (this.#bits1 | (offset >>> 3)) >>> 0;
    slots[at + 2] = (this.#bits2 | segment | (isDeleted ? DELETED : 0)) >>> 0;
    slots[at + 3] = lengths;
  }

  /** Adds a key that first()/next() have just not found. */
  insert(segment: number, offset: number, isDeleted: boolean, lengths: number): void {
    let shard = this.#shard;
    if (shard.used + 1 > shard.capacity * LOAD_MAX) {
      this.#makeRoom(shard);
      shard = this.#directory[this.#word0 & (this.#directory.length - 1)] as Shard;
      this.#shard = shard;
      this.#slot = freeSlot(shard, this.#word0);
    }
    const at = this.#slot * SLOT_WORDS;
    const slots = shard.slots;
    slots[at] = this.#word0;
    slots[at + 1] = (this.#bits1 | (offset >>> 3)) >>> 0;
    slots[at + 2] = (this.#bits2 | segment | (isDeleted ? DELETED : 0)) >>> 0;
    slots[at + 3] = lengths;
    shard.used++;
    if (isDeleted) this.deletedCount++;
    else this.liveCount++;
  }

  /** Removes the found slot (backward shift: no marks stay behind). */
  remove(): void {
    const shard = this.#shard;
    const { slots, capacity } = shard;
    if (((slots[this.#slot * SLOT_WORDS + 2] as number) & DELETED) !== 0) this.deletedCount--;
    else this.liveCount--;
    shard.used--;
    let hole = this.#slot;
    let slot = hole;
    for (;;) {
      slot = slot + 1 === capacity ? 0 : slot + 1;
      const at = slot * SLOT_WORDS;
      if (slots[at + 2] === 0) break;
      const wanted = home(slots[at] as number, capacity);
      // The slot may move into the hole unless its home lies cyclically in (hole, slot].
      const stays =
        hole <= slot ? hole < wanted && wanted <= slot : hole < wanted || wanted <= slot;
      if (stays) continue;
      slots.copyWithin(hole * SLOT_WORDS, at, at + SLOT_WORDS);
      hole = slot;
    }
    slots.fill(0, hole * SLOT_WORDS, hole * SLOT_WORDS + SLOT_WORDS);
  }

  /** Grows a shard by half, or splits a large one into two. */
  #makeRoom(shard: Shard): void {
    const grown = shard.capacity + (shard.capacity >> 1);
    if (grown <= SHARD_SLOTS_MAX) {
      const larger = new Shard(grown, shard.depth);
      for (let slot = 0; slot < shard.capacity; slot++) copySlot(shard, slot, larger);
      shard.slots = larger.slots;
      shard.capacity = grown;
      return;
    }
    const half = Math.ceil(grown / 2);
    const bit = 1 << shard.depth;
    const ones = countWith(shard, bit);
    const zero = new Shard(roomFor(shard.used - ones, half), shard.depth + 1);
    const one = new Shard(roomFor(ones, half), shard.depth + 1);
    zero.sequence = shard.sequence;
    one.sequence = shard.sequence;
    for (let slot = 0; slot < shard.capacity; slot++) {
      const low = shard.slots[slot * SLOT_WORDS] as number;
      copySlot(shard, slot, (low & bit) === 0 ? zero : one);
    }
    if (shard.depth === this.#depth) {
      this.#directory = [...this.#directory, ...this.#directory];
      this.#depth++;
    }
    for (let i = 0; i < this.#directory.length; i++) {
      if (this.#directory[i] === shard) this.#directory[i] = (i & bit) === 0 ? zero : one;
    }
  }

  /** The shard for hashes with these low bits, as it is now. */
  shardAt(low: number): Shard {
    return this.#directory[low & (this.#directory.length - 1)] as Shard;
  }

  /** Every shard once, with the low hash bits that lead to it. */
  *shards(): Generator<{ shard: Shard; prefix: number }> {
    for (let i = 0; i < this.#directory.length; i++) {
      const shard = this.#directory[i] as Shard;
      if (i < 1 << shard.depth) yield { shard, prefix: i };
    }
  }

  /** Visits every key, in no order. */
  forEach(
    visit: (segment: number, offset: number, lengths: number, isDeleted: boolean) => void,
  ): void {
    for (const { shard } of this.shards()) {
      for (let at = 0; at < shard.slots.length; at += SLOT_WORDS) {
        const word2 = shard.slots[at + 2] as number;
        if (word2 === 0) continue;
        const offset = ((shard.slots[at + 1] as number) & OFFSET_MASK) * 8;
        const lengths = shard.slots[at + 3] as number;
        visit(word2 & SEGMENT_MASK, offset, lengths, (word2 & DELETED) !== 0);
      }
    }
  }

  /** Takes shards read from a checkpoint; together they must cover every hash exactly once. */
  static fromShards(parts: readonly { shard: Shard; prefix: number }[]): KeyIndex | undefined {
    const depth = parts.reduce((most, { shard }) => Math.max(most, shard.depth), 0);
    if (depth > 24) return undefined;
    const index = new KeyIndex();
    const directory = new Array<Shard | undefined>(1 << depth);
    for (const { shard, prefix } of parts) {
      for (let i = prefix; i < directory.length; i += 1 << shard.depth) {
        if (directory[i] !== undefined) return undefined;
        directory[i] = shard;
      }
    }
    if (directory.includes(undefined)) return undefined;
    index.#directory = directory as Shard[];
    index.#depth = depth;
    for (const { shard } of parts) index.#count(shard);
    return index;
  }

  #count(shard: Shard): void {
    shard.used = 0;
    for (let at = 2; at < shard.slots.length; at += SLOT_WORDS) {
      const word2 = shard.slots[at] as number;
      if (word2 === 0) continue;
      shard.used++;
      if ((word2 & DELETED) !== 0) this.deletedCount++;
      else this.liveCount++;
    }
  }

  /** Bytes that the slots take. */
  get memoryBytes(): number {
    let bytes = 0;
    for (const { shard } of this.shards()) bytes += shard.slots.byteLength;
    return bytes;
  }
}

function home(low: number, capacity: number): number {
  return Math.floor((low * capacity) / 4294967296);
}

/** Keys of a shard whose low hash has a bit. */
function countWith(shard: Shard, bit: number): number {
  let count = 0;
  for (let at = 0; at < shard.slots.length; at += SLOT_WORDS) {
    if (shard.slots[at + 2] !== 0 && ((shard.slots[at] as number) & bit) !== 0) count++;
  }
  return count;
}

/** Capacity for so many keys: half of a shard, unless they are not spread as hashes should be. */
function roomFor(keys: number, half: number): number {
  return Math.max(half, Math.ceil((keys + 1) / LOAD_MAX));
}

function freeSlot(shard: Shard, low: number): number {
  let slot = home(low, shard.capacity);
  while (shard.slots[slot * SLOT_WORDS + 2] !== 0) {
    slot = slot + 1 === shard.capacity ? 0 : slot + 1;
  }
  return slot;
}

function copySlot(from: Shard, slot: number, to: Shard): void {
  const at = slot * SLOT_WORDS;
  if (from.slots[at + 2] === 0) return;
  const target = freeSlot(to, from.slots[at] as number) * SLOT_WORDS;
  to.slots[target] = from.slots[at] as number;
  to.slots[target + 1] = from.slots[at + 1] as number;
  to.slots[target + 2] = from.slots[at + 2] as number;
  to.slots[target + 3] = from.slots[at + 3] as number;
  to.used++;
}
