import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { PackingHabit } from './packing-habit.ts';
import { recordDictionary } from './record-dictionary.ts';
import { corrupt } from './tlog-cipher.ts';
import type { TlogCipher } from './tlog-cipher.ts';

/**
 * What a record does. `changes`: a changeset of SQLite. `open`: a head begins. `members`: who keeps
 * the log from here on. `snapshot`: all up to an index is kept elsewhere, too.
 */
export type TlogKind = 'changes' | 'open' | 'members' | 'snapshot';

const kindNumbers: Readonly<Record<TlogKind, number>> = {
  changes: 1,
  open: 2,
  members: 3,
  snapshot: 4,
};
const kinds = new Map(Object.entries(kindNumbers).map(([kind, no]) => [no, kind as TlogKind]));

/** How a body is kept: as it is, as a zstd frame, or as one that needs `recordDictionary`. */
export type TlogPacking = 'none' | 'zstd' | 'dictionary';

const packingNumbers: Readonly<Record<TlogPacking, number>> = { none: 0, zstd: 1, dictionary: 2 };
const packings = new Map(Object.entries(packingNumbers).map(([by, no]) => [no, by as TlogPacking]));

/** Bytes of a header before the nonce. */
const headerBytes = 72;
/** Largest body of a record before packing, bytes; a value of Zero-DB holds 8 MiB. */
export const recordBodyBytesMax = 7 * 1024 * 1024;
/** Smaller bodies are kept as they are. */
const packFromBytes = 64;
/** Longer bodies repeat themselves enough: it takes 1 % off them, for twice the time. */
const dictionaryBytesMax = 4 * 1024;

const magic = Buffer.from('ZTLG');
/** 1 had no dictionary; it is read, and written as 2 with the same hash. */
const formatVersion = 2;

/** One entry of the log. The same record can be written under several fences. */
export interface TlogRecord {
  readonly kind: TlogKind;
  /** Fence of the head that wrote this copy. */
  readonly fence: number;
  /** How many heads opened the log up to here, this one included: unique, and rises. */
  readonly epoch: number;
  /** 1 for the first. */
  readonly index: number;
  /** Records up to here were on a majority, as its writer knew. */
  readonly committed: number;
  /** Hash of the record before; zeros for the first. */
  readonly prevHash: Buffer;
  readonly hash: Buffer;
  readonly packing: TlogPacking;
  readonly packed: Buffer;
}

/** A record before it is written. */
export interface TlogDraft {
  readonly kind: TlogKind;
  readonly epoch: number;
  readonly index: number;
  readonly prevHash: Buffer;
  readonly body: Uint8Array;
}

/** Hash before the first record. */
export const firstPrevHash: Buffer = Buffer.alloc(32);

/**
 * Packs the body, where that helps, and computes the hash. `body` is `recordBodyBytesMax` bytes at most.
 * @param habit says whether to try; default: always
 */
export function makeRecord(
  cipher: TlogCipher,
  draft: TlogDraft,
  written: { readonly fence: number; readonly committed: number },
  habit: PackingHabit = new PackingHabit(),
): TlogRecord {
  const { body, ...rest } = draft;
  const isTried = body.length >= packFromBytes && habit.next();
  const small = isTried ? pack(body) : undefined;
  if (small !== undefined) habit.tried(body.length, small.packed.length);
  const kept: Packed =
    small !== undefined && small.packed.length < body.length
      ? small
      : { packing: 'none', packed: Buffer.from(body.buffer, body.byteOffset, body.length) };
  const unhashed = { ...rest, ...written, ...kept };
  return { ...unhashed, hash: hashOf(cipher, unhashed) };
}

/** The bytes that members keep. */
export function encodeRecord(cipher: TlogCipher, record: TlogRecord): Buffer {
  const header = Buffer.alloc(headerBytes);
  magic.copy(header);
  header.writeUInt8(formatVersion, 4);
  header.writeUInt8(kindNumbers[record.kind], 5);
  header.writeUInt8(packingNumbers[record.packing], 6);
  header.writeBigUInt64LE(BigInt(record.fence), 8);
  header.writeUInt32LE(record.epoch, 16);
  header.writeBigUInt64LE(BigInt(record.index), 24);
  header.writeBigUInt64LE(BigInt(record.committed), 32);
  record.prevHash.copy(header, 40);
  const sealed = cipher.seal(record.fence, record.index, header, record.packed);
  return Buffer.concat([header, ...sealed]);
}

/** @throws ZSTOR_CATALOG_RECORD_CORRUPT */
export function decodeRecord(cipher: TlogCipher, value: Buffer): TlogRecord {
  if (value.length < headerBytes || !value.subarray(0, 4).equals(magic)) {
    throw corrupt('it is no record');
  }
  const version = value.readUInt8(4);
  if (version < 1 || version > formatVersion) throw corrupt(`format ${version} is unknown`);
  const kind = kinds.get(value.readUInt8(5));
  if (kind === undefined) throw corrupt(`kind ${value.readUInt8(5)} is unknown`);
  const packing = packings.get(value.readUInt8(6));
  if (packing === undefined) throw corrupt(`packing ${value.readUInt8(6)} is unknown`);
  const header = value.subarray(0, headerBytes);
  const fence = Number(value.readBigUInt64LE(8));
  const unhashed = {
    kind,
    fence,
    epoch: value.readUInt32LE(16),
    index: Number(value.readBigUInt64LE(24)),
    committed: Number(value.readBigUInt64LE(32)),
    prevHash: header.subarray(40, headerBytes),
    packing,
    packed: cipher.open(fence, header, value.subarray(headerBytes)),
  };
  return { ...unhashed, hash: hashOf(cipher, unhashed) };
}

/** What the record carries. @throws ZSTOR_CATALOG_RECORD_CORRUPT */
export function bodyOf(record: TlogRecord): Buffer {
  const { packing, packed } = record;
  if (packing === 'none') return packed;
  const dictionary = packing === 'dictionary' ? { dictionary: recordDictionary } : {};
  try {
    return zstdDecompressSync(packed, { maxOutputLength: recordBodyBytesMax, ...dictionary });
  } catch (cause) {
    throw corrupt('its body does not unpack', cause);
  }
}

/** The key of a record: big endian, so that keys sort as indices do. */
export function recordKey(index: number): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(BigInt(index));
  return key;
}

/** Whoever wrote it, and how often: fence and committed are left out. */
function hashOf(cipher: TlogCipher, record: Omit<TlogRecord, 'hash'>): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt8(kindNumbers[record.kind]);
  head.writeUInt8(packingNumbers[record.packing], 1);
  head.writeUInt32LE(record.epoch, 4);
  head.writeBigUInt64LE(BigInt(record.index), 8);
  return cipher.chainHash(head, record.prevHash, record.packed);
}

type Packed = Pick<TlogRecord, 'packing' | 'packed'>;

function pack(body: Uint8Array): Packed {
  const { ZSTD_c_compressionLevel: level } = constants;
  if (body.length > dictionaryBytesMax) {
    return { packing: 'zstd', packed: zstdCompressSync(body, { params: { [level]: 1 } }) };
  }
  const options = { params: { [level]: 4 }, dictionary: recordDictionary };
  return { packing: 'dictionary', packed: zstdCompressSync(body, options) };
}
