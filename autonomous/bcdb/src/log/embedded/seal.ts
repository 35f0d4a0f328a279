import { crc32 } from '@commongrid/base';
import { readUpTo } from '@commongrid/files';
import type { Files } from '@commongrid/files';
import {
  frameFlags,
  frameBytes,
  frameHeaderBytes,
  hasFlag,
  partBytesMax,
  readFrameHeader,
  writeFrameHeader,
} from './format.ts';
import { isContentSound } from './frame-codec.ts';
import type { LogHead } from '../log-engine.ts';
import { SparseIndex } from './sparse-index.ts';

/** The last frame of a finished segment: its index, and the head of the log after it. */
export interface Seal {
  readonly index: SparseIndex;
  readonly end: LogHead;
  readonly durableTo: number;
}

/** The tail of a seal ends the file: its length and a mark, so that it is found from there. */
const sealTailBytes = 8;
const sealMark = Buffer.from('BCDE', 'latin1').readUInt32LE(0);

export function encodeSeal(seal: Seal, logId: Uint8Array): Buffer {
  const text = seal.index.encode();
  const bytes = Buffer.alloc(frameHeaderBytes + text.length + sealTailBytes);
  text.copy(bytes, frameHeaderBytes);
  bytes.writeUInt32LE(bytes.length, bytes.length - sealTailBytes);
  bytes.writeUInt32LE(sealMark, bytes.length - 4);
  writeFrameHeader(bytes, logId, {
    flags: frameFlags.seal,
    count: 0,
    first: seal.end.size,
    durableTo: seal.durableTo,
    textBytes: text.length,
    plainBytes: text.length,
    tailBytes: sealTailBytes,
    contentCrc: crc32(bytes.subarray(frameHeaderBytes)),
    root: seal.end.root,
  });
  return bytes;
}

/** The seal at the end of a file; undefined where there is no sound one. */
export function readSeal(
  files: Files,
  fd: number,
  first: number,
  logId: Uint8Array,
): Seal | undefined {
  const size = files.fstatSync(fd).size;
  const tail = Buffer.alloc(sealTailBytes);
  if (size < frameHeaderBytes + sealTailBytes) return undefined;
  readUpTo(files, fd, tail, 0, sealTailBytes, size - sealTailBytes);
  const length = tail.readUInt32LE(0);
  if (tail.readUInt32LE(4) !== sealMark || length > size) return undefined;
  if (length > frameHeaderBytes + partBytesMax + sealTailBytes) return undefined;
  const bytes = Buffer.allocUnsafeSlow(length);
  if (readUpTo(files, fd, bytes, 0, length, size - length) < length) return undefined;
  const header = readFrameHeader(bytes, 0, logId);
  if (header === undefined || !hasFlag(header, 'seal')) return undefined;
  if (frameBytes(header) !== length || !isContentSound(header, bytes, 0)) return undefined;
  const text = bytes.subarray(frameHeaderBytes, length - sealTailBytes);
  const end = { size: header.first, root: header.root };
  return { index: SparseIndex.decode(first, text), end, durableTo: header.durableTo };
}
