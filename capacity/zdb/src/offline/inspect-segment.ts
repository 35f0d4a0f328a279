import { existsSync } from 'node:fs';
import { type Files, readUpTo, readWhole } from '@commongrid/files';
import {
  decodeFrameHeader,
  decodeSegmentHeader,
  FRAME_COMPACTED,
  FRAME_HEADER_BYTES,
  keyLengthOf,
  recordBytes,
  SEGMENT_HEADER_BYTES,
  valueLengthOf,
} from '../engine/log/format.ts';
import type { SegmentHeader } from '../engine/log/format.ts';
import type { KeyHasher } from '../engine/keys/key-hash.ts';
import type { Segment } from '../engine/log/segment.ts';
import { ENTRY_WORDS, type IndexEntry, SegmentIndex } from '../engine/log/segment-index.ts';
import { type BadStretch, type ScanResult, scanSegment } from '../engine/log/segment-scan.ts';
import { SegmentRecords } from '../engine/log/segment-records.ts';
import { walkStretch } from '../engine/log/walk-stretch.ts';

/** A record that an index file promises and that is not sound. */
export interface BadRecord {
  readonly entry: IndexEntry;
  /** Its key, where the hash in the index proves it. */
  readonly key: Buffer | undefined;
}

/** A stretch that could not be read frame by frame, looked at record by record. */
export interface InspectedStretch extends BadStretch {
  /** Records in it that are sound themselves. */
  readonly kept: readonly IndexEntry[];
  readonly lost: readonly BadRecord[];
  /** `lost` is all: the index file names every record of the segment. */
  readonly isLossKnown: boolean;
  /** First sequence after it; undefined when nothing sound follows in this segment. */
  readonly nextSequence: number | undefined;
}

export type IndexState = 'same' | 'missing' | 'damaged' | 'different';

export interface Inspection {
  readonly header: SegmentHeader | undefined;
  readonly scan: ScanResult;
  readonly stretches: readonly InspectedStretch[];
  readonly indexState: IndexState;
  /** Its frames were written by compaction, so a gap in its sequences means nothing. */
  readonly isCompacted: boolean;
}

/**
 * Reads every byte of a segment, and its index file beside it. A file that ends before `leastBytes`
 * has a bad stretch there.
 */
export function inspectSegment(
  files: Files,
  segment: Segment,
  logId: bigint,
  hasher: KeyHasher,
  leastBytes: number,
  onRecord?: (bytes: Buffer, at: number) => void,
): Inspection {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  const got = readUpTo(files, segment.fd, bytes, 0, bytes.length, 0);
  const scan = scanSegment(files, segment, logId, hasher, onRecord);
  const file = readIndexFile(files, segment, logId);
  const records = new SegmentRecords(files, segment);
  const stretches = withMissingEnd(scan, leastBytes).map((stretch) => {
    return inspectStretch(segment, stretch, scan, file, records, logId, hasher);
  });
  return {
    header: decodeSegmentHeader(bytes.subarray(0, got)),
    scan,
    stretches,
    indexState: compareIndex(file, scan, stretches),
    isCompacted: isCompacted(segment, scan, records, logId),
  };
}

function withMissingEnd(
  { bad, fileBytes, lastSequence }: ScanResult,
  leastBytes: number,
): readonly BadStretch[] {
  if (fileBytes >= leastBytes) return bad;
  const last = bad.at(-1);
  if (last !== undefined && last.offset + last.bytes === fileBytes) {
    return [...bad.slice(0, -1), { ...last, bytes: leastBytes - last.offset }];
  }
  const missing = { offset: fileBytes, bytes: leastBytes - fileBytes, expected: lastSequence + 1 };
  return [...bad, missing];
}

function readIndexFile(
  files: Files,
  segment: Segment,
  logId: bigint,
): SegmentIndex | 'missing' | 'damaged' {
  if (!existsSync(segment.indexPath)) return 'missing';
  const bytes = readWhole(files, segment.indexPath);
  return SegmentIndex.decode(bytes, logId, segment.id) ?? 'damaged';
}

function inspectStretch(
  segment: Segment,
  stretch: BadStretch,
  scan: ScanResult,
  file: SegmentIndex | 'missing' | 'damaged',
  records: SegmentRecords,
  logId: bigint,
  hasher: KeyHasher,
): InspectedStretch {
  const { offset, bytes, expected } = stretch;
  const after = scan.index.lowerBound(expected);
  const nextSequence = after < scan.index.count ? scan.index.sequenceAt(after) : undefined;
  if (!(file instanceof SegmentIndex)) {
    // It may reach beyond the end of a file that was cut.
    const there = { ...stretch, bytes: Math.min(bytes, Math.max(0, scan.fileBytes - offset)) };
    const kept = walkStretch(segment, there, nextSequence ?? Infinity, records, logId, hasher);
    return { ...stretch, kept, lost: [], isLossKnown: false, nextSequence };
  }
  const kept: IndexEntry[] = [];
  const lost: BadRecord[] = [];
  for (let position = file.lowerBound(expected); position < file.count; position++) {
    const entry = file.entry(position);
    if (entry.offset >= offset + bytes) break;
    const record = records.read(entry);
    if (record.isSound) kept.push(entry);
    else lost.push({ entry, key: provenKey(entry, record.key, hasher) });
  }
  return { ...stretch, kept, lost, isLossKnown: true, nextSequence };
}

function provenKey(entry: IndexEntry, key: Buffer, hasher: KeyHasher): Buffer | undefined {
  hasher.hash(key, 0, key.length);
  return hasher.low === entry.low && hasher.high === entry.high ? Buffer.from(key) : undefined;
}

/** Every sound record must be in the index file as the segment says, and no other. */
function compareIndex(
  file: SegmentIndex | 'missing' | 'damaged',
  { index }: ScanResult,
  stretches: readonly InspectedStretch[],
): IndexState {
  if (!(file instanceof SegmentIndex)) return file;
  const inStretches = stretches.reduce((sum, { kept, lost }) => sum + kept.length + lost.length, 0);
  if (file.count !== index.count + inStretches) return 'different';
  for (let i = 0; i < index.count; i++) {
    const at = index.count === file.count ? i : file.lowerBound(index.sequenceAt(i));
    for (let word = 0; word < ENTRY_WORDS; word++) {
      const isFirst = word === 0;
      const mine = index.words[i * ENTRY_WORDS + word] ?? 0;
      const theirs = file.words[at * ENTRY_WORDS + word] ?? 0;
      if ((isFirst ? mine + index.base - file.base : mine) !== theirs) return 'different';
    }
  }
  return 'same';
}

/** The first frame header tells, even where its records are damaged; so do all others. */
function isCompacted(
  segment: Segment,
  { index }: ScanResult,
  records: SegmentRecords,
  logId: bigint,
): boolean {
  const first =
    index.count === 0 ? SEGMENT_HEADER_BYTES : index.entry(0).offset - FRAME_HEADER_BYTES;
  return [SEGMENT_HEADER_BYTES, first].some((at) => {
    const bytes = records.view(at, FRAME_HEADER_BYTES);
    const frame = decodeFrameHeader(bytes, 0, logId, segment.id, at);
    return ((frame?.flags ?? 0) & FRAME_COMPACTED) !== 0;
  });
}

/** Bytes that a record takes in the log. */
export function entryBytes(entry: IndexEntry): number {
  return recordBytes(keyLengthOf(entry.lengths), valueLengthOf(entry.lengths));
}
