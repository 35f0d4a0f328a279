import { keyLengthOf, recordBytes, recordLengthsAt, valueLengthOf } from '../log/format.ts';

/*
 * Recently read records in memory: a ring of bytes, and a table from place in the log to place in the
 * ring. Old records are overwritten in the order they came; the table notices by position and lap.
 *
 * Table entry, four 32-bit words: offset / 8, segment slot (0 = empty), ring position / 8, lap.
 */

const ENTRY_WORDS = 4;
const WAYS = 4;
/** Smallest ring: several times the largest record that is kept. */
const RING_BYTES_MIN = 512 * 1024;
/** A block of records may take this part of the ring. */
const BLOCK_PART_MAX = 8;
/** Larger records would push out too many others. */
export const CACHED_RECORD_BYTES_MAX = 64 * 1024;

export class RecordCache {
  readonly bytes: Buffer;
  readonly #table: Uint32Array;
  readonly #buckets: number;
  #head = 0;
  #lap = 1;

  /** @param ringBytes size of the ring; the table adds an eighth of it */
  constructor(ringBytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(Math.max(RING_BYTES_MIN, ringBytes));
    const entries = 2 ** Math.floor(Math.log2(this.bytes.length / 128));
    this.#buckets = Math.max(1, entries / WAYS);
    this.#table = new Uint32Array(this.#buckets * WAYS * ENTRY_WORDS);
  }

  /** Position in `bytes` of the record at a place of the log; -1 when it is not here. */
  find(slot: number, offset: number): number {
    const table = this.#table;
    const place = offset >>> 3;
    let at = this.#bucket(slot, place);
    for (let way = 0; way < WAYS; way++, at += ENTRY_WORDS) {
      if (table[at] !== place || table[at + 1] !== slot) continue;
      const position = (table[at + 2] as number) * 8;
      const lap = table[at + 3] as number;
      const isThere = position < this.#head ? lap === this.#lap : lap === this.#lap - 1;
      return isThere ? position : -1;
    }
    return -1;
  }

  /** Takes room for a record and enters it; the caller fills it at once. Returns its position. */
  add(slot: number, offset: number, length: number): number {
    const position = this.#take(length);
    this.#enter(slot, offset, position);
    return position;
  }

  #take(length: number): number {
    const size = (length + 7) & ~7;
    if (this.#head + size > this.bytes.length) {
      this.#head = 0;
      this.#lap = (this.#lap + 1) >>> 0;
    }
    const position = this.#head;
    this.#head += size;
    return position;
  }

  #enter(slot: number, offset: number, position: number): void {
    const table = this.#table;
    const place = offset >>> 3;
    const first = this.#bucket(slot, place);
    let chosen = first;
    let oldest = Number.MAX_SAFE_INTEGER;
    for (let at = first; at < first + WAYS * ENTRY_WORDS; at += ENTRY_WORDS) {
      if (table[at + 1] === 0 || (table[at] === place && table[at + 1] === slot)) {
        chosen = at;
        break;
      }
      const age = (table[at + 3] as number) * 0x100000000 + (table[at + 2] as number);
      if (age < oldest) {
        oldest = age;
        chosen = at;
      }
    }
    table[chosen] = place;
    table[chosen + 1] = slot;
    table[chosen + 2] = position / 8;
    table[chosen + 3] = this.#lap;
  }

  /**
   * Enters records that lie side by side in `source`, from the place `offset` of the log on; a block
   * that is large for the ring, or has no end here, is passed over.
   */
  addBlock(slot: number, offset: number, source: Buffer, start: number, end: number): void {
    const length = end - start;
    if (length > this.bytes.length / BLOCK_PART_MAX) return;
    const position = this.#take(length);
    source.copy(this.bytes, position, start, end);
    for (let at = 0; at < length;) {
      const lengths = this.bytes.readUInt32LE(position + at + recordLengthsAt);
      this.#enter(slot, offset + at, position + at);
      at += recordBytes(keyLengthOf(lengths), valueLengthOf(lengths));
    }
  }

  /** Takes back the entry that add() made, when filling it failed. */
  drop(slot: number, offset: number): void {
    const place = offset >>> 3;
    const first = this.#bucket(slot, place);
    for (let at = first; at < first + WAYS * ENTRY_WORDS; at += ENTRY_WORDS) {
      if (this.#table[at] === place && this.#table[at + 1] === slot) this.#table[at + 1] = 0;
    }
  }

  /** Forgets every record of a segment, before its slot is used for another. */
  dropSegment(slot: number): void {
    for (let at = 1; at < this.#table.length; at += ENTRY_WORDS) {
      if (this.#table[at] === slot) this.#table[at] = 0;
    }
  }

  #bucket(slot: number, place: number): number {
    const mixed = Math.imul(place ^ Math.imul(slot, 0x85ebca6b), 0x9e3779b1) >>> 0;
    return ((mixed >>> 7) & (this.#buckets - 1)) * WAYS * ENTRY_WORDS;
  }
}
