import { type Files, readUpTo } from '@commongrid/files';
import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  type FrameHeader,
  isDeletion,
  keyLengthOf,
  RECORD_HEADER_BYTES,
  readUint53,
  recordBytes,
  recordChecksum,
  recordLengthsAt,
  recordOwnerAt,
  recordPreviousAt,
  recordSequenceAt,
  recordTimeAt,
  SEGMENT_HEADER_BYTES,
  valueLengthOf,
} from './format.ts';
import type { KeyHasher } from '../keys/key-hash.ts';
import type { Segment } from './segment.ts';
import { SegmentIndex } from './segment-index.ts';

/** A stretch that cannot be read: from a bad byte to the next sound frame, or to the end. */
export interface BadStretch {
  readonly offset: number;
  readonly bytes: number;
  /** Sequence that was expected there. */
  readonly expected: number;
}

export interface ScanResult {
  /** Entries of every sound record. */
  readonly index: SegmentIndex;
  readonly lastSequence: number;
  /** End of the last sound frame. */
  readonly end: number;
  readonly fileBytes: number;
  readonly bad: readonly BadStretch[];
  /** Largest durableTo of any sound frame. */
  readonly durableTo: number;
}

const WINDOW_BYTES = 4 * 1024 * 1024;

/**
 * Reads a segment frame by frame and checks every byte. After a bad byte it goes on at the next sound
 * frame, because only what follows can tell whether the bad stretch had been on disk (durableTo).
 */
export function scanSegment(
  files: Files,
  segment: Segment,
  logId: bigint,
  hasher: KeyHasher,
  onRecord?: (bytes: Buffer, at: number, offset: number) => void,
): ScanResult {
  const fileBytes = files.fstatSync(segment.fd).size;
  const window = new Window(files, segment.fd, fileBytes);
  const index = new SegmentIndex(segment.firstSequence);
  const bad: BadStretch[] = [];
  let lastSequence = segment.firstSequence - 1;
  let durableTo = 0;
  let offset = SEGMENT_HEADER_BYTES;
  let end = offset;
  while (offset < fileBytes) {
    const header = soundFrame(window, offset, logId, segment.id, lastSequence);
    if (header === undefined) {
      const next = nextFrame(window, offset + 8, logId, segment.id, lastSequence);
      bad.push({ offset, bytes: next - offset, expected: lastSequence + 1 });
      offset = next;
      continue;
    }
    const bytes = FRAME_HEADER_BYTES + header.payloadBytes;
    const at = window.need(offset, bytes);
    addEntries(window.bytes, at, offset, header, hasher, index, onRecord);
    lastSequence = header.lastSequence;
    durableTo = Math.max(durableTo, header.durableTo);
    offset += bytes;
    end = offset;
  }
  return { index, lastSequence, end, fileBytes, bad, durableTo };
}

/** A moving view of the file, large enough for the frame that is looked at. */
class Window {
  bytes = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  readonly fileBytes: number;
  readonly #files: Files;
  readonly #fd: number;
  #start = 0;
  #length = 0;

  constructor(files: Files, fd: number, fileBytes: number) {
    this.#files = files;
    this.#fd = fd;
    this.fileBytes = fileBytes;
  }

  /** Brings `length` bytes from `offset` in; returns where they begin in `bytes`, -1 past the end. */
  need(offset: number, length: number): number {
    if (offset + length > this.fileBytes) return -1;
    if (offset >= this.#start && offset + length <= this.#start + this.#length) {
      return offset - this.#start;
    }
    if (length > this.bytes.length) this.bytes = Buffer.allocUnsafeSlow(length + WINDOW_BYTES);
    const wanted = Math.min(this.bytes.length, this.fileBytes - offset);
    this.#length = readUpTo(this.#files, this.#fd, this.bytes, 0, wanted, offset);
    this.#start = offset;
    return this.#length < length ? -1 : 0;
  }

  get end(): number {
    return this.#start + this.#length;
  }
}

function soundFrame(
  window: Window,
  offset: number,
  logId: bigint,
  segmentId: number,
  lastSequence: number,
): FrameHeader | undefined {
  const headerAt = window.need(offset, FRAME_HEADER_BYTES);
  if (headerAt < 0) return undefined;
  const header = decodeFrameHeader(window.bytes, headerAt, logId, segmentId, offset);
  if (header === undefined || header.firstSequence <= lastSequence) return undefined;
  const at = window.need(offset, FRAME_HEADER_BYTES + header.payloadBytes);
  if (at < 0) return undefined;
  const end = at + FRAME_HEADER_BYTES + header.payloadBytes;
  let position = at + FRAME_HEADER_BYTES;
  let sequence = header.firstSequence - 1;
  for (let i = 0; i < header.recordCount; i++) {
    const next = soundRecord(window.bytes, position, end, segmentId, offset + position - at);
    if (next < 0) return undefined;
    const found = readUint53(window.bytes, position + recordSequenceAt);
    if (found <= sequence || found > header.lastSequence) return undefined;
    sequence = found;
    position = next;
  }
  return position === end && sequence === header.lastSequence ? header : undefined;
}

/** Returns where the next record begins, -1 when this one is not sound. */
export function soundRecord(
  bytes: Buffer,
  at: number,
  end: number,
  segmentId: number,
  offset: number,
): number {
  if (at + RECORD_HEADER_BYTES > end) return -1;
  const lengths = bytes.readUInt32LE(at + recordLengthsAt);
  const keyLength = keyLengthOf(lengths);
  const valueLength = valueLengthOf(lengths);
  const next = at + recordBytes(keyLength, valueLength);
  if (next > end) return -1;
  const sum = recordChecksum(bytes, at, keyLength, valueLength, segmentId, offset);
  return sum === bytes.readUInt32LE(at) ? next : -1;
}

/** Offset of the next sound frame, or the end of the file. */
function nextFrame(
  window: Window,
  from: number,
  logId: bigint,
  segmentId: number,
  lastSequence: number,
): number {
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(FRAME_MAGIC);
  let offset = from;
  while (offset + FRAME_HEADER_BYTES <= window.fileBytes) {
    const at = window.need(offset, FRAME_HEADER_BYTES);
    if (at < 0) break;
    const found = window.bytes.subarray(at, at + window.end - offset).indexOf(magic);
    if (found < 0) {
      offset = Math.max(offset + 8, (window.end - 8) & ~7);
      continue;
    }
    const candidate = offset + found;
    if (
      candidate % 8 === 0 &&
      soundFrame(window, candidate, logId, segmentId, lastSequence) !== undefined
    ) {
      return candidate;
    }
    offset = (candidate & ~7) + 8;
  }
  return window.fileBytes;
}

function addEntries(
  bytes: Buffer,
  frameAt: number,
  frameOffset: number,
  header: FrameHeader,
  hasher: KeyHasher,
  index: SegmentIndex,
  onRecord: ((bytes: Buffer, at: number, offset: number) => void) | undefined,
): void {
  let at = frameAt + FRAME_HEADER_BYTES;
  for (let i = 0; i < header.recordCount; i++) {
    const lengths = bytes.readUInt32LE(at + recordLengthsAt);
    const keyLength = keyLengthOf(lengths);
    const offset = frameOffset + at - frameAt;
    hasher.hash(bytes, at + RECORD_HEADER_BYTES, keyLength);
    index.add(
      readUint53(bytes, at + recordSequenceAt),
      offset,
      lengths,
      bytes.readUInt32LE(at + recordOwnerAt),
      hasher.low,
      hasher.high,
      readUint53(bytes, at + recordPreviousAt),
      bytes.readUInt32LE(at + recordTimeAt),
    );
    onRecord?.(bytes, at, offset);
    at += recordBytes(keyLength, valueLengthOf(lengths));
  }
}

/** Counts what each namespace has in a segment, from its entries. */
export function countShares(segment: Segment, index: SegmentIndex): void {
  segment.shares.clear();
  for (let i = 0; i < index.count; i++) {
    const entry = index.entry(i);
    const share = segment.share(entry.owner & 0xffffff);
    share.records++;
    share.bytes += recordBytes(keyLengthOf(entry.lengths), valueLengthOf(entry.lengths));
    if (!isDeletion(entry.owner)) share.values++;
  }
}
