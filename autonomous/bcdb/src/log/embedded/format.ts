import { GridError, crc32 } from '@commongrid/base';
import { leafBytesMax } from '../../record/entry.ts';
import type { BcdbErrorCode } from '../../errors.ts';
import { bodyBytesMax } from '../batch.ts';
import type { LogHead } from '../log-engine.ts';

/*
 * The bytes of segment files and of the head file, as docs/formats/bcdb-log.md describes them. All
 * numbers are little endian.
 */

const formatVersion = 1;

/** Bytes of a frame ahead of its content. */
export const frameHeaderBytes = 96;

/** Plain text that a frame holds at most, unless one entry alone is longer. */
export const frameTextBytesMax = 64 * 1024;

/** Most bytes of one part of a frame: bounds what a reader allocates for it. */
export const partBytesMax = frameTextBytesMax * 2 + leafBytesMax + bodyBytesMax;

export const frameFlags = {
  /** The text is compressed with Zstandard. */
  compressed: 1,
  /** The batch ends here, and the header has the root after it. */
  batchEnd: 2,
  /** No entries: the index of the segment, which ends here. */
  seal: 4,
} as const;

/** How a frame is laid out: header, text, tail. */
export interface FrameHeader {
  readonly flags: number;
  readonly count: number;
  /** Sequence of the first entry; of a seal, of the first one after the segment. */
  readonly first: number;
  /** Size of the log that was acknowledged when this was written. */
  readonly durableTo: number;
  /** Bytes of the text in the file. */
  readonly textBytes: number;
  /** Bytes of the text once it is decompressed. */
  readonly plainBytes: number;
  readonly tailBytes: number;
  /** Of text and tail as they stand in the file. */
  readonly contentCrc: number;
  /** Root of the tree after this frame, where it ends a batch or a segment; else zeros. */
  readonly root: Uint8Array;
}

export const rootBytes = 32;

/** Which part of the log's identity each frame repeats. */
export function frameLogId(log: Uint8Array): Uint8Array {
  return log.subarray(0, 8);
}

export function writeFrameHeader(bytes: Buffer, logId: Uint8Array, header: FrameHeader): void {
  bytes.fill(0, 0, frameHeaderBytes);
  bytes.writeUInt32LE(frameMagicNumber, 0);
  bytes.writeUInt8(formatVersion, 8);
  bytes.writeUInt8(header.flags, 9);
  bytes.writeUInt32LE(header.count, 12);
  bytes.set(logId, 16);
  writeNumber(bytes, header.first, 24);
  writeNumber(bytes, header.durableTo, 32);
  bytes.writeUInt32LE(header.textBytes, 40);
  bytes.writeUInt32LE(header.plainBytes, 44);
  bytes.writeUInt32LE(header.tailBytes, 48);
  bytes.writeUInt32LE(header.contentCrc, 52);
  bytes.set(header.root, 64);
  bytes.writeUInt32LE(crc32(bytes.subarray(8, frameHeaderBytes)), 4);
}

/** The header at an offset of `bytes`; undefined where there is no sound one of this log. */
export function readFrameHeader(
  bytes: Buffer,
  at: number,
  logId: Uint8Array,
): FrameHeader | undefined {
  if (bytes.length - at < frameHeaderBytes) return undefined;
  if (bytes.readUInt32LE(at) !== frameMagicNumber) return undefined;
  if (bytes.readUInt32LE(at + 4) !== crc32(bytes.subarray(at + 8, at + frameHeaderBytes))) {
    return undefined;
  }
  if (bytes.compare(logId, 0, logId.length, at + 16, at + 24) !== 0) return undefined;
  refuseNewer(bytes.readUInt8(at + 8));
  const header = {
    flags: bytes.readUInt8(at + 9),
    count: bytes.readUInt32LE(at + 12),
    first: readNumber(bytes, at + 24),
    durableTo: readNumber(bytes, at + 32),
    textBytes: bytes.readUInt32LE(at + 40),
    plainBytes: bytes.readUInt32LE(at + 44),
    tailBytes: bytes.readUInt32LE(at + 48),
    contentCrc: bytes.readUInt32LE(at + 52),
    root: new Uint8Array(bytes.subarray(at + 64, at + 64 + rootBytes)),
  };
  const isSane = Math.max(header.textBytes, header.plainBytes, header.tailBytes) <= partBytesMax;
  return isSane ? header : undefined;
}

/** Bytes of a whole frame. */
export function frameBytes(header: FrameHeader): number {
  return frameHeaderBytes + header.textBytes + header.tailBytes;
}

/** Sequence after the last entry of a frame. */
export function frameEnd(header: FrameHeader): number {
  return header.first + header.count;
}

export function hasFlag(header: FrameHeader, flag: keyof typeof frameFlags): boolean {
  return (header.flags & frameFlags[flag]) !== 0;
}

/** First bytes of every frame. */
export const frameMagic: Buffer = Buffer.from('BCDF', 'latin1');
const frameMagicNumber = frameMagic.readUInt32LE(0);

/** A head with the number of its writing: the slot with the larger one counts. */
export interface HeadSlot {
  readonly log: Uint8Array;
  readonly head: LogHead;
  readonly counter: number;
}

export const headSlotBytes = 128;

/** Distance of the two slots: one torn page cannot spoil both. */
export const headSlotStride = 4096;

export function encodeHeadSlot(slot: HeadSlot): Buffer {
  const bytes = Buffer.alloc(headSlotBytes);
  headMagic.copy(bytes, 0);
  bytes.writeUInt8(formatVersion, 8);
  bytes.set(slot.log, 16);
  writeNumber(bytes, slot.head.size, 48);
  bytes.set(slot.head.root, 56);
  writeNumber(bytes, slot.counter, 88);
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
  return bytes;
}

/** Undefined where the bytes are no sound slot. */
export function decodeHeadSlot(bytes: Buffer): HeadSlot | undefined {
  if (bytes.length < headSlotBytes || headMagic.compare(bytes, 0, 4) !== 0) return undefined;
  if (bytes.readUInt32LE(4) !== crc32(bytes.subarray(8, headSlotBytes))) return undefined;
  refuseNewer(bytes.readUInt8(8));
  return {
    log: new Uint8Array(bytes.subarray(16, 48)),
    head: { size: readNumber(bytes, 48), root: new Uint8Array(bytes.subarray(56, 88)) },
    counter: readNumber(bytes, 88),
  };
}

const headMagic = Buffer.from('BCDH', 'latin1');

/** @throws BCDB_LOG_VERSION */
function refuseNewer(version: number): void {
  if (version === formatVersion) return;
  throw new GridError<BcdbErrorCode>(
    'BCDB_LOG_VERSION',
    `this log has format ${version}; this program knows format ${formatVersion}`,
    { hint: 'use the newer program that wrote it', details: { version } },
  );
}

function writeNumber(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % 2 ** 32, at);
  bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

function readNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}
