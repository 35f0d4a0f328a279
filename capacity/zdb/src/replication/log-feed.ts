import { GridError } from '@commongrid/base';
import { realFiles, readAsync } from '@commongrid/files';
import {
  decodeFrameHeader,
  FRAME_COMPACTED,
  FRAME_HEADER_BYTES,
  keyLengthOf,
  recordBytes,
  SEGMENT_HEADER_BYTES,
  valueLengthOf,
} from '../engine/log/format.ts';
import { soundFrameAt } from '../engine/log/frame-reader.ts';
import type { Segment } from '../engine/log/segment.ts';
import type { SegmentIndex } from '../engine/log/segment-index.ts';
import type { Store } from '../engine/store.ts';
import type { ZdbErrorCode } from '../errors.ts';

/** Whole frames as they stand in a segment: checksums cover segment and offset. */
export interface FeedBatch {
  readonly segmentId: number;
  readonly offset: number;
  readonly bytes: Buffer;
  readonly lastSequence: number;
  /** Compaction has been at work here: what is missing may have been replaced by later records. */
  readonly isSparse: boolean;
}

/** A batch is this large at most, unless a single frame is larger. */
const FEED_BATCH_BYTES = 1024 * 1024;

/**
 * Reads the log from a sequence on, in order, as far as it is on disk. It knows its place by sequence:
 * where compaction replaces a segment under it, it finds its way again. One batch is in memory.
 */
export class LogFeed {
  readonly #store: Store;
  /** Last sequence that was handed out. */
  #position: number;
  #segment: Segment | undefined;
  #offset = 0;

  constructor(store: Store, after: number) {
    this.#store = store;
    this.#position = after;
  }

  get position(): number {
    return this.#position;
  }

  /**
   * The next batch; undefined when all that is on disk was handed out.
   * @throws GridError ZDB_READ_FAILED where the log is damaged; the next call tries there again
   */
  async next(): Promise<FeedBatch | undefined> {
    while (this.#position < this.#store.log.durableSequence) {
      const segment = await this.#place();
      if (segment === undefined) return undefined;
      const before = this.#offset;
      const batch = await this.#read(segment);
      if (batch !== undefined) return batch;
      // Frames of which nothing is new were passed over, or a segment was read to its end.
      if (this.#offset === before && !this.#isBehind(segment)) return undefined;
    }
    return undefined;
  }

  /** The segment was read to its end and is not the last. */
  #isBehind(segment: Segment): boolean {
    return this.#offset >= segment.writtenOffset && segment !== this.#store.table.last;
  }

  async #place(): Promise<Segment | undefined> {
    const { segments } = this.#store.table;
    const at = this.#segment === undefined ? -1 : segments.indexOf(this.#segment);
    if (at < 0) return this.#locate();
    if (!this.#isBehind(segments[at] as Segment)) return this.#segment;
    return this.#begin(segments[at + 1]);
  }

  #begin(segment: Segment | undefined): Segment | undefined {
    this.#segment = segment;
    this.#offset = SEGMENT_HEADER_BYTES;
    return segment;
  }

  /** Finds the frame of the first record after the position. */
  async #locate(): Promise<Segment | undefined> {
    for (;;) {
      const { table, locator } = this.#store;
      const segment = table.segments.find((one) => one.lastSequence > this.#position);
      if (segment === undefined || this.#position < segment.firstSequence) {
        return this.#begin(segment);
      }
      segment.hold();
      let index: SegmentIndex;
      try {
        index = await locator.load(segment);
      } finally {
        segment.release();
      }
      if (!this.#store.table.segments.includes(segment)) continue;
      const first = index.lowerBound(this.#position + 1);
      this.#segment = segment;
      this.#offset = first === index.count ? segment.writtenOffset : frameOffset(index, first);
      return segment;
    }
  }

  async #read(segment: Segment): Promise<FeedBatch | undefined> {
    const room = segment.writtenOffset - this.#offset;
    if (room <= 0) return undefined;
    let bytes = await this.#bytes(segment, Math.min(room, FEED_BATCH_BYTES));
    const first = this.#frameAt(segment, bytes, 0);
    const firstBytes = FRAME_HEADER_BYTES + (first?.payloadBytes ?? 0);
    if (firstBytes > bytes.length) bytes = await this.#bytes(segment, Math.min(room, firstBytes));
    return this.#take(segment, bytes);
  }

  #frameAt(segment: Segment, bytes: Buffer, at: number): ReturnType<typeof decodeFrameHeader> {
    const { logId } = this.#store.table;
    return decodeFrameHeader(bytes, at, logId, segment.id, this.#offset + at);
  }

  /** Cuts what can be handed out from the front of `bytes`. */
  #take(segment: Segment, bytes: Buffer): FeedBatch | undefined {
    const { log, table } = this.#store;
    let start = 0;
    let end = 0;
    let last = this.#position;
    let isSparse = false;
    while (end < bytes.length) {
      const place = { logId: table.logId, segmentId: segment.id, offset: this.#offset + end };
      const header = this.#frameAt(segment, bytes, end);
      const length = FRAME_HEADER_BYTES + (header?.payloadBytes ?? 0);
      const isCut = end + (header === undefined ? FRAME_HEADER_BYTES : length) > bytes.length;
      if (isCut && end > 0) break;
      if (header !== undefined && header.lastSequence > log.durableSequence) break;
      if (header === undefined || soundFrameAt(bytes, end, place) === undefined) {
        if (end > start) break;
        throw this.#damaged(segment, this.#offset + end);
      }
      end += length;
      if (header.lastSequence <= last) {
        start = end;
        continue;
      }
      isSparse ||= (header.flags & FRAME_COMPACTED) !== 0;
      isSparse ||= header.lastSequence - last !== header.recordCount;
      last = header.lastSequence;
    }
    const offset = this.#offset + start;
    this.#offset += end;
    if (end === start) return undefined;
    this.#position = last;
    return {
      segmentId: segment.id,
      offset,
      bytes: bytes.subarray(start, end),
      lastSequence: last,
      isSparse,
    };
  }

  async #bytes(segment: Segment, length: number): Promise<Buffer> {
    const files = this.#store.options.files ?? realFiles;
    const bytes = Buffer.allocUnsafeSlow(length);
    const fd = segment.hold();
    try {
      let got = 0;
      while (got < length) {
        const more = await readAsync(files, fd, bytes, got, length - got, this.#offset + got);
        if (more === 0) break;
        got += more;
      }
      return bytes.subarray(0, got);
    } finally {
      segment.release();
    }
  }

  #damaged(segment: Segment, offset: number): GridError<ZdbErrorCode> {
    const error = new GridError<ZdbErrorCode>(
      'ZDB_READ_FAILED',
      `the frame at offset ${offset} of ${segment.path} is damaged`,
      { hint: 'grid zdb repair from a replica', details: { path: segment.path, offset } },
    );
    this.#store.options.onDamage?.(segment, offset, error);
    return error;
  }
}

/** Records of one frame stand side by side; before the first of them there is its header. */
function frameOffset(index: SegmentIndex, position: number): number {
  let at = position;
  let { offset } = index.entry(at);
  while (at > 0) {
    const before = index.entry(at - 1);
    const { lengths } = before;
    const end = before.offset + recordBytes(keyLengthOf(lengths), valueLengthOf(lengths));
    if (end !== offset) break;
    ({ offset } = before);
    at--;
  }
  return offset - FRAME_HEADER_BYTES;
}
