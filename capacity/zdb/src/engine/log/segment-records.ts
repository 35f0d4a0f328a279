import { type Files, readUpTo } from '@commongrid/files';
import {
  keyLengthOf,
  RECORD_HEADER_BYTES,
  readUint53,
  recordBytes,
  recordChecksum,
  recordPreviousAt,
  valueLengthOf,
} from './format.ts';
import type { Segment } from './segment.ts';
import type { IndexEntry } from './segment-index.ts';

const WINDOW_BYTES = 4 * 1024 * 1024;

/** A record in a window of its segment: `key` and `value` are good until the next one is read. */
export interface RawRecord {
  readonly isSound: boolean;
  readonly previous: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Reads records that stand in order of their offset, a few megabytes at a time. */
export class SegmentRecords {
  readonly #files: Files;
  readonly #segment: Segment;
  #window = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  #start = 0;
  #length = 0;

  constructor(files: Files, segment: Segment) {
    this.#files = files;
    this.#segment = segment;
  }

  read(entry: Pick<IndexEntry, 'offset' | 'lengths'>): RawRecord {
    const { offset, lengths } = entry;
    const keyLength = keyLengthOf(lengths);
    const valueLength = valueLengthOf(lengths);
    const at = this.#bring(offset, recordBytes(keyLength, valueLength));
    const bytes = this.#window;
    const keyAt = at + RECORD_HEADER_BYTES;
    const isThere = this.#length - at >= recordBytes(keyLength, valueLength);
    const sum = recordChecksum(bytes, at, keyLength, valueLength, this.#segment.id, offset);
    return {
      isSound:
        isThere && bytes.readUInt32LE(at) === sum && bytes.readUInt32LE(at + 4) === lengths >>> 0,
      previous: readUint53(bytes, at + recordPreviousAt),
      key: bytes.subarray(keyAt, keyAt + keyLength),
      value: bytes.subarray(keyAt + keyLength, keyAt + keyLength + valueLength),
    };
  }

  /** Bytes of the segment; fewer where it ends. Good until the next call. */
  view(offset: number, length: number): Buffer {
    const at = this.#bring(offset, length);
    return this.#window.subarray(at, Math.min(at + length, this.#length));
  }

  #bring(offset: number, length: number): number {
    const at = offset - this.#start;
    if (at >= 0 && at + length <= this.#length) return at;
    if (length > this.#window.length) this.#window = Buffer.allocUnsafeSlow(length + WINDOW_BYTES);
    this.#start = offset;
    const { fd } = this.#segment;
    this.#length = readUpTo(this.#files, fd, this.#window, 0, this.#window.length, offset);
    return 0;
  }
}
