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
/** A batch buffer that grew beyond this is not kept for the next batch. */
const KEPT_BYTES = 4 * 1024 * 1024;

/**
 * The records of one commit, laid out as the frame that goes to disk. `bytes[i]` will stand at
 * `offset + i` of the segment.
 */
export class Batch {
  bytes: Buffer;
  words: Uint32Array;
  segment: Segment | undefined;
  /** Where the frame begins in the segment. */
  offset = 0;
  used = 0;
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

  /** Makes room for `more` bytes. */
  reserve(more: number): void {
    const needed = this.used + more;
    if (needed <= this.bytes.length) return;
    let size = this.bytes.length;
    while (size < needed) size *= 2;
    const larger = Buffer.allocUnsafeSlow(size);
    this.bytes.copy(larger, 0, 0, this.used);
    this.bytes = larger;
    this.words = new Uint32Array(larger.buffer);
  }

  /** Adds a record; room must have been reserved. Returns its offset in the segment. */
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
  ): number {
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
    const valueAt = keyAt + keyLength;
    copyInto(bytes, valueAt, valueSource, valueStart, valueLength);
    const end = valueAt + valueLength;
    const next = at + recordBytes(keyLength, valueLength);
    for (let i = end; i < next; i++) bytes[i] = 0;
    const offset = this.offset + at;
    words[word] = crc32(bytes.subarray(at + 4, end), positionSeed(segmentId, offset));
    this.used = next;
    this.lastSequence = sequence;
    this.recordCount++;
    return offset;
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
        payloadBytes: this.used - FRAME_HEADER_BYTES,
        durableTo,
        flags,
      },
      segmentId,
      this.offset,
    );
  }

  /** Forgets the records; keeps the buffer unless it has grown large. */
  clear(): void {
    this.segment = undefined;
    this.used = 0;
    this.recordCount = 0;
    if (this.bytes.length > KEPT_BYTES) {
      this.bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
      this.words = new Uint32Array(this.bytes.buffer);
    }
  }
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
