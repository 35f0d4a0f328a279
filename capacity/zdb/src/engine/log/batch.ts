import type { MemoryOwner, SharedMemory } from '@commongrid/base';
import { crc32 } from 'node:zlib';
import {
  encodeFrameHeader,
  FRAME_HEADER_BYTES,
  packLengths,
  positionSeed,
  RECORD_HEADER_BYTES,
  recordBytes,
} from './format.ts';
import type { Segment } from './segment.ts';

const FIRST_BYTES = 1024 * 1024;
/** From this size on a value is not copied, when its memory can be taken over. */
const KEPT_VALUE_BYTES_MIN = 64 * 1024;
/** A batch buffer that grew beyond this is not kept for the next batch. */
const KEPT_BYTES = 4 * 1024 * 1024;

/** A value that stays in its own memory: on disk it stands in the place of `at` to `resume`. */
interface KeptValue {
  readonly at: number;
  /** Where the buffer goes on, so that the next record begins at a multiple of 8 in it too. */
  readonly resume: number;
  readonly bytes: Buffer;
}

/** The records of one commit, laid out as the frame that goes to disk at `offset` of the segment. */
export class Batch {
  bytes: Buffer;
  words: Uint32Array;
  segment: Segment | undefined;
  /** Where the frame begins in the segment. */
  offset = 0;
  used = 0;
  #kept: KeptValue[] = [];
  /** What kept values lie in, until the batch is written. */
  #shared: SharedMemory[] = [];
  /** How much longer the frame is on disk than in the buffer. */
  #keptBytes = 0;
  firstSequence = 0;
  lastSequence = 0;
  recordCount = 0;

  constructor() {
    this.bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
    this.words = new Uint32Array(this.bytes.buffer);
  }

  begin(segment: Segment, firstSequence: number): void {
    this.segment = segment;
    this.offset = segment.nextOffset;
    this.used = FRAME_HEADER_BYTES;
    this.firstSequence = firstSequence;
    this.lastSequence = firstSequence - 1;
    this.recordCount = 0;
  }

  /** Bytes that the frame has on disk. */
  get size(): number {
    return this.used + this.#keptBytes;
  }

  /** Makes room for `more` bytes. */
  #reserve(more: number): void {
    const needed = this.used + more;
    if (needed <= this.bytes.length) return;
    let size = this.bytes.length;
    while (size < needed) size *= 2;
    const larger = Buffer.allocUnsafeSlow(size);
    this.bytes.copy(larger, 0, 0, this.used);
    this.bytes = larger;
    this.words = new Uint32Array(larger.buffer);
  }

  /**
   * Adds a record; returns its offset in the segment. With `valueOwner` a large value is used where
   * it is, in memory that is shared until it is written.
   */
  add(
    segmentId: number,
    owner: number,
    timeSeconds: number,
    sequence: number,
    previous: number,
    source: Uint8Array,
    keyStart: number,
    keyLength: number,
    valueSource: Uint8Array,
    valueStart: number,
    valueLength: number,
    valueOwner: MemoryOwner | undefined,
  ): number {
    const keptOf = valueLength >= KEPT_VALUE_BYTES_MIN ? valueOwner : undefined;
    this.#reserve(recordBytes(keyLength, keptOf === undefined ? valueLength : 0) + 16);
    const { bytes, words } = this;
    const at = this.used;
    const word = at >>> 2;
    words[word + 1] = packLengths(keyLength, valueLength);
    words[word + 2] = owner;
    words[word + 3] = timeSeconds;
    words[word + 4] = sequence;
    words[word + 5] = sequence / 4294967296;
    words[word + 6] = previous;
    words[word + 7] = previous / 4294967296;
    const keyAt = at + RECORD_HEADER_BYTES;
    copyInto(bytes, keyAt, source, keyStart, keyLength);
    const offset = this.offset + at + this.#keptBytes;
    const seed = positionSeed(segmentId, offset);
    let end = keyAt + keyLength;
    if (keptOf !== undefined) {
      const value = Buffer.from(
        valueSource.buffer,
        valueSource.byteOffset + valueStart,
        valueLength,
      );
      words[word] = crc32(value, crc32(bytes.subarray(at + 4, end), seed));
      end = this.#keep(end, value, aligned(end + valueLength) - end - valueLength);
      const shared = keptOf.share();
      if (shared !== undefined) this.#shared.push(shared);
    } else {
      copyInto(bytes, end, valueSource, valueStart, valueLength);
      end += valueLength;
      words[word] = crc32(bytes.subarray(at + 4, end), seed);
    }
    const next = aligned(end);
    for (let i = end; i < next; i++) bytes[i] = 0;
    this.used = next;
    this.lastSequence = sequence;
    this.recordCount++;
    return offset;
  }

  /** Puts a value in after `at`; returns where its padding of so many bytes begins. */
  #keep(at: number, bytes: Buffer, padding: number): number {
    const resume = aligned(at + padding) - padding;
    this.#kept.push({ at, resume, bytes });
    this.#keptBytes += bytes.length - (resume - at);
    return resume;
  }

  /** What goes to disk, in pieces; the batch must be sealed. */
  pieces(): Buffer[] {
    const pieces: Buffer[] = [];
    let from = 0;
    for (const { at, resume, bytes } of this.#kept) {
      pieces.push(this.bytes.subarray(from, at), bytes);
      from = resume;
    }
    pieces.push(this.bytes.subarray(from, this.used));
    return pieces;
  }

  /** Where the record at an offset of the segment begins in `bytes`; -1 when it is in pieces. */
  find(offset: number): number {
    return this.#kept.length === 0 ? offset - this.offset : -1;
  }

  /** A copy of `length` bytes from an offset of the segment on, put together from pieces. */
  copyOf(offset: number, length: number): Buffer {
    const copy = Buffer.allocUnsafeSlow(length);
    let skip = offset - this.offset;
    let done = 0;
    for (const piece of this.pieces()) {
      if (skip >= piece.length) {
        skip -= piece.length;
        continue;
      }
      done += piece.copy(copy, done, skip, Math.min(piece.length, skip + length - done));
      skip = 0;
      if (done === length) break;
    }
    return copy;
  }

  /** Writes the frame header: the batch is now what goes to disk. */
  seal(logId: bigint, segmentId: number, durableTo: number, flags: number): void {
    encodeFrameHeader(
      this.bytes,
      0,
      {
        logId,
        firstSequence: this.firstSequence,
        lastSequence: this.lastSequence,
        recordCount: this.recordCount,
        payloadBytes: this.size - FRAME_HEADER_BYTES,
        durableTo,
        flags,
      },
      segmentId,
      this.offset,
    );
  }

  /** Forgets the records, which are written; keeps the buffer unless it has grown large. */
  clear(): void {
    this.segment = undefined;
    this.used = 0;
    this.#kept = [];
    this.#keptBytes = 0;
    for (const shared of this.#shared.splice(0)) shared.letGo();
    this.recordCount = 0;
    if (this.bytes.length > KEPT_BYTES) {
      this.bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
      this.words = new Uint32Array(this.bytes.buffer);
    }
  }
}

function aligned(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** For short ranges a loop beats a call into native code. */
function copyInto(
  target: Buffer,
  at: number,
  source: Uint8Array,
  start: number,
  length: number,
): void {
  if (length <= 32) {
    for (let i = 0; i < length; i++) target[at + i] = source[start + i] as number;
    return;
  }
  if (source instanceof Buffer) source.copy(target, at, start, start + length);
  else target.set(source.subarray(start, start + length), at);
}
