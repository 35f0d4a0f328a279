import { crc32 } from 'node:zlib';

/*
 * The log on disk. All numbers are little endian. docs/formats/zdb-log.md is the page of it.
 *
 *   segment = header (64 bytes), then frames
 *   frame   = header (64 bytes), then records; one frame is one commit, all or nothing
 *   record  = header (32 bytes), key, value, zeros up to a multiple of 8
 *
 * Checksums are CRC-32 (IEEE) and begin with a seed made of the segment's number and the offset, so
 * that right bytes in a wrong place do not pass.
 */

/** Version of the data folder; a folder with a larger one is refused. */
export const FORMAT_VERSION = 1;

export const SEGMENT_HEADER_BYTES = 64;
export const FRAME_HEADER_BYTES = 64;
export const RECORD_HEADER_BYTES = 32;

const SEGMENT_MAGIC = 0x5342445a; // "ZDBS"
export const FRAME_MAGIC = 0x4642445a; // "ZDBF"

/** Largest segment: an index slot holds offset / 8 in 25 bits. */
export const SEGMENT_BYTES_MAX = 256 * 1024 * 1024;
/** Largest number of records in one segment: bounds what is kept in memory until it is sealed. */
export const SEGMENT_RECORDS_MAX = 512 * 1024;
export const SEGMENT_BYTES_MIN = 1024 * 1024;

/** Longest key: the length is stored in 8 bits. */
export const KEY_BYTES_MAX = 255;
/** Largest value, as in 0-db; the length is stored in 24 bits. */
export const VALUE_BYTES_MAX = 8 * 1024 * 1024;

/** What a record says. Numbers are never reused. */
export const RecordKind = {
  set: 1,
  delete: 2,
  /** A deletion after which no earlier value of the key may be left in any file. */
  erase: 3,
} as const;

/** Frame flag: written by compaction, so its sequences have gaps. */
export const FRAME_COMPACTED = 1;

/** Bytes that a record takes in the log. */
export function recordBytes(keyLength: number, valueLength: number): number {
  return (RECORD_HEADER_BYTES + keyLength + valueLength + 7) & ~7;
}

/** Start value of a checksum: covers where the bytes stand. Offsets are multiples of 8. */
export function positionSeed(segmentId: number, offset: number): number {
  return (Math.imul(segmentId, 0x9e3779b1) ^ (offset >>> 3)) >>> 0;
}

export interface SegmentHeader {
  readonly version: number;
  readonly logId: bigint;
  readonly segmentId: number;
  readonly firstSequence: number;
  readonly createdMs: number;
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  bytes.writeUInt32LE(SEGMENT_MAGIC, 0);
  bytes.writeUInt32LE(header.version, 8);
  bytes.writeBigUInt64LE(header.logId, 16);
  writeUint53(bytes, header.segmentId, 24);
  writeUint53(bytes, header.firstSequence, 32);
  writeUint53(bytes, header.createdMs, 40);
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
  return bytes;
}

/** Returns undefined when the bytes are not a whole, sound segment header. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES || bytes.readUInt32LE(0) !== SEGMENT_MAGIC)
    return undefined;
  if (bytes.readUInt32LE(4) !== crc32(bytes.subarray(8, SEGMENT_HEADER_BYTES))) return undefined;
  return {
    version: bytes.readUInt32LE(8),
    logId: bytes.readBigUInt64LE(16),
    segmentId: readUint53(bytes, 24),
    firstSequence: readUint53(bytes, 32),
    createdMs: readUint53(bytes, 40),
  };
}

export interface FrameHeader {
  readonly logId: bigint;
  /** Sequence of the first record, and of the last. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly recordCount: number;
  /** Bytes of the records, without this header; a multiple of 8. */
  readonly payloadBytes: number;
  /** The largest sequence that was known to be on disk when this frame was written. */
  readonly durableTo: number;
  readonly flags: number;
}

/** Writes a frame header at `at` of `bytes`; the frame stands at `offset` of its segment. */
export function encodeFrameHeader(
  bytes: Buffer,
  at: number,
  header: FrameHeader,
  segmentId: number,
  offset: number,
): void {
  bytes.writeUInt32LE(FRAME_MAGIC, at);
  bytes.writeBigUInt64LE(header.logId, at + 8);
  writeUint53(bytes, header.firstSequence, at + 16);
  writeUint53(bytes, header.lastSequence, at + 24);
  bytes.writeUInt32LE(header.recordCount, at + 32);
  bytes.writeUInt32LE(header.payloadBytes, at + 36);
  writeUint53(bytes, header.durableTo, at + 40);
  bytes.writeUInt32LE(header.flags, at + 48);
  bytes.fill(0, at + 52, at + FRAME_HEADER_BYTES);
  const sum = crc32(
    bytes.subarray(at + 8, at + FRAME_HEADER_BYTES),
    positionSeed(segmentId, offset),
  );
  bytes.writeUInt32LE(sum, at + 4);
}

/** Returns undefined when no sound frame header of this log stands there. */
export function decodeFrameHeader(
  bytes: Buffer,
  at: number,
  logId: bigint,
  segmentId: number,
  offset: number,
): FrameHeader | undefined {
  if (at + FRAME_HEADER_BYTES > bytes.length) return undefined;
  if (bytes.readUInt32LE(at) !== FRAME_MAGIC) return undefined;
  const sum = crc32(
    bytes.subarray(at + 8, at + FRAME_HEADER_BYTES),
    positionSeed(segmentId, offset),
  );
  if (sum !== bytes.readUInt32LE(at + 4)) return undefined;
  if (bytes.readBigUInt64LE(at + 8) !== logId) return undefined;
  return {
    logId,
    firstSequence: readUint53(bytes, at + 16),
    lastSequence: readUint53(bytes, at + 24),
    recordCount: bytes.readUInt32LE(at + 32),
    payloadBytes: bytes.readUInt32LE(at + 36),
    durableTo: readUint53(bytes, at + 40),
    flags: bytes.readUInt32LE(at + 48),
  };
}

/*
 * Record header, as 32-bit words:
 *   0 checksum of all that follows, key and value included
 *   1 value length (24 bits), key length (8 bits above)
 *   2 namespace number (24 bits), kind (8 bits above)
 *   3 time, seconds since 1970
 *   4,5 sequence        6,7 sequence of the former version of the key, 0 when there is none
 */

export const recordCrcAt = 0;
export const recordLengthsAt = 4;
export const recordOwnerAt = 8;
export const recordTimeAt = 12;
export const recordSequenceAt = 16;
export const recordPreviousAt = 24;

export function packLengths(keyLength: number, valueLength: number): number {
  return ((keyLength << 24) | valueLength) >>> 0;
}
export function keyLengthOf(lengths: number): number {
  return lengths >>> 24;
}
export function valueLengthOf(lengths: number): number {
  return lengths & 0xffffff;
}
export function packOwner(namespaceId: number, kind: number): number {
  return ((kind << 24) | namespaceId) >>> 0;
}
export function namespaceOf(owner: number): number {
  return owner & 0xffffff;
}
export function kindOf(owner: number): number {
  return owner >>> 24;
}

export function isDeletion(owner: number): boolean {
  return kindOf(owner) !== RecordKind.set;
}

/** Checksum that the record at `at` of `bytes` must carry when it stands at `offset` of a segment. */
export function recordChecksum(
  bytes: Buffer,
  at: number,
  keyLength: number,
  valueLength: number,
  segmentId: number,
  offset: number,
): number {
  const end = at + RECORD_HEADER_BYTES + keyLength + valueLength;
  return crc32(bytes.subarray(at + 4, end), positionSeed(segmentId, offset));
}

/** Writes a whole number of up to 53 bits as u64. */
export function writeUint53(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value >>> 0, at);
  bytes.writeUInt32LE(Math.floor(value / 4294967296), at + 4);
}

/** Reads a u64 as a number; what is larger than 53 bits loses precision and fails the checks above. */
export function readUint53(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 4294967296;
}
