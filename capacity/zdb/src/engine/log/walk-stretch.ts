import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  keyLengthOf,
  RECORD_HEADER_BYTES,
  readUint53,
  recordBytes,
  recordLengthsAt,
  recordOwnerAt,
  recordPreviousAt,
  recordSequenceAt,
  recordTimeAt,
  valueLengthOf,
} from './format.ts';
import type { KeyHasher } from '../keys/key-hash.ts';
import type { Segment } from './segment.ts';
import type { IndexEntry } from './segment-index.ts';
import type { BadStretch } from './segment-scan.ts';
import type { SegmentRecords } from './segment-records.ts';

/**
 * Finds the sound records of a damaged stretch without an index file. It only follows the chain of
 * lengths from where a frame begins, over at most one damaged record at a time: bytes inside a value
 * that look like a record are never taken for one.
 */
export function walkStretch(
  segment: Segment,
  stretch: BadStretch,
  before: number,
  records: SegmentRecords,
  logId: bigint,
  hasher: KeyHasher,
): IndexEntry[] {
  const found: IndexEntry[] = [];
  const end = stretch.offset + stretch.bytes;
  let last = stretch.expected - 1;
  /** Keeps the record at a place, if a sound one stands there; returns where the next one begins. */
  const take = (offset: number): number | undefined => {
    const entry = soundRecord(records, offset, end, hasher);
    if (entry === undefined || entry.sequence <= last || entry.sequence >= before) return undefined;
    found.push(entry);
    last = entry.sequence;
    return offset + bytesOf(entry.lengths);
  };
  let offset = stretch.offset;
  let isFrame = true;
  while (offset + FRAME_HEADER_BYTES <= end) {
    const header = records.view(offset, FRAME_HEADER_BYTES);
    isFrame ||= decodeFrameHeader(header, 0, logId, segment.id, offset) !== undefined;
    if (!isFrame) {
      offset += 8;
      continue;
    }
    let at = offset + FRAME_HEADER_BYTES;
    for (;;) {
      const next = take(at) ?? behind(records, at, end, take);
      if (next === undefined) break;
      at = next;
    }
    isFrame = false;
    offset = Math.max(offset + 8, found.length > 0 && at > offset + FRAME_HEADER_BYTES ? at : 0);
  }
  return found;
}

/** Takes the record behind a damaged one whose lengths may still be right. */
function behind(
  records: SegmentRecords,
  offset: number,
  end: number,
  take: (offset: number) => number | undefined,
): number | undefined {
  if (offset + RECORD_HEADER_BYTES > end) return undefined;
  const lengths = records.view(offset, RECORD_HEADER_BYTES).readUInt32LE(recordLengthsAt);
  return take(offset + bytesOf(lengths));
}

function soundRecord(
  records: SegmentRecords,
  offset: number,
  end: number,
  hasher: KeyHasher,
): IndexEntry | undefined {
  if (offset + RECORD_HEADER_BYTES > end) return undefined;
  const lengths = records.view(offset, RECORD_HEADER_BYTES).readUInt32LE(recordLengthsAt);
  if (offset + bytesOf(lengths) > end) return undefined;
  const { isSound, key } = records.read({ offset, lengths });
  if (!isSound) return undefined;
  hasher.hash(key, 0, key.length);
  const header = records.view(offset, RECORD_HEADER_BYTES);
  return {
    sequence: readUint53(header, recordSequenceAt),
    offset,
    lengths,
    owner: header.readUInt32LE(recordOwnerAt),
    low: hasher.low,
    high: hasher.high,
    previous: readUint53(header, recordPreviousAt),
    timeSeconds: header.readUInt32LE(recordTimeAt),
  };
}

/** Where the bytes of a record end. */
export function entryEnd({ offset, lengths }: IndexEntry): number {
  return offset + bytesOf(lengths);
}

function bytesOf(lengths: number): number {
  return recordBytes(keyLengthOf(lengths), valueLengthOf(lengths));
}
