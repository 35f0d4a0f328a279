import { byteTextOf } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import { tarInvalid } from './tar-error.ts';

/** The fields of one block of 512 bytes, before what extended headers change. */
export interface TarHeader {
  readonly path: ByteText;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  /** One character: `0` a file, `5` a directory, `x` a pax header, and so on. */
  readonly type: string;
  readonly linkTarget: ByteText;
  readonly major: number;
  readonly minor: number;
}

/**
 * Reads a block as POSIX.1-1988 (ustar), GNU tar, star and Unix V7 write it.
 * @throws FLIST_TAR_INVALID
 */
export function readTarHeader(block: Buffer): TarHeader {
  const name = textOf(block, 0, 100);
  if (!hasChecksum(block)) throw tarInvalid('the checksum of a header is wrong');
  const magic = block.toString('latin1', 257, 265);
  const isUstar = magic === 'ustar\x0000' || magic === 'ustar\0\0\0';
  const isKnown = isUstar || magic === 'ustar  \0';
  const type = String.fromCharCode(block[156] ?? 0);
  const hasNumbers = isKnown && (type === '3' || type === '4');
  return {
    path: isUstar ? withPrefix(block, name) : name,
    mode: numberOf(block, 100, 8, name) & 0o7777,
    uid: numberOf(block, 108, 8, name),
    gid: numberOf(block, 116, 8, name),
    sizeBytes: numberOf(block, 124, 12, name),
    mtimeSeconds: numberOf(block, 136, 12, name),
    type,
    linkTarget: textOf(block, 157, 100),
    major: hasNumbers ? numberOf(block, 329, 8, name) : 0,
    minor: hasNumbers ? numberOf(block, 337, 8, name) : 0,
  };
}

/** A prefix is shorter in tars of star, which keeps times behind it. */
function withPrefix(block: Buffer, name: ByteText): ByteText {
  const isStar = block.toString('latin1', 508, 512) === 'tar\0';
  const prefix = textOf(block, 345, isStar ? 131 : 155);
  return prefix === '' ? name : (`${prefix}/${name}` as ByteText);
}

function textOf(block: Buffer, at: number, sizeBytes: number): ByteText {
  const field = block.subarray(at, at + sizeBytes);
  const end = field.indexOf(0);
  return byteTextOf(end < 0 ? field : field.subarray(0, end));
}

/** The sum of all bytes, its own field taken as spaces; old tars added them as signed ones. */
function hasChecksum(block: Buffer): boolean {
  let sum = 0;
  let signedSum = 0;
  for (let at = 0; at < block.length; at++) {
    const byte = at >= 148 && at < 156 ? 32 : (block[at] ?? 0);
    sum += byte;
    signedSum += byte < 128 ? byte : byte - 256;
  }
  const written = octalOf(block.toString('latin1', 148, 156));
  return written !== undefined && (written === sum || written === signedSum);
}

function numberOf(block: Buffer, at: number, sizeBytes: number, path: ByteText): number {
  const field = block.subarray(at, at + sizeBytes);
  const first = field[0] ?? 0;
  const value = first >= 128 ? binaryOf(field) : octalOf(field.toString('latin1'));
  if (value === undefined || !Number.isSafeInteger(value)) {
    throw tarInvalid('a number of a header cannot be read', path);
  }
  return value;
}

function octalOf(text: string): number | undefined {
  const digits = /^[ \0]*([0-7]*)[ \0]*$/.exec(text)?.[1];
  if (digits === undefined) return undefined;
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

/** GNU's way for what octal digits cannot hold: big endian, the first bit set, the second its sign. */
function binaryOf(field: Buffer): number {
  let value = BigInt((field[0] ?? 0) & 0x7f);
  for (const byte of field.subarray(1)) value = (value << 8n) | BigInt(byte);
  return Number(BigInt.asIntN(field.length * 8 - 1, value));
}
