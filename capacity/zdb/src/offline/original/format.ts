/*
 * Files of the original 0-db, version 2. Little endian, packed. docs/formats/original-0db.md is the
 * page of it.
 */

export const DATA_HEADER_BYTES = 28;
export const DATA_ENTRY_BYTES = 18;
export const INDEX_HEADER_BYTES = 29;
export const INDEX_ENTRY_BYTES = 34;
const NAMESPACE_BYTES = 15;

const DATA_MAGIC = 'DAT0';
const DATA_VERSION = 3;
const INDEX_MAGIC = 'IDX0';
const INDEX_VERSION = 4;
const NAMESPACE_VERSION = 1;

export const ENTRY_DELETED = 1;

export const NAMESPACE_FILE = 'zdb-namespace';

export function encodeDataHeader(fileId: number): Buffer {
  const bytes = Buffer.alloc(DATA_HEADER_BYTES);
  bytes.write(DATA_MAGIC, 'latin1');
  bytes.writeUInt32LE(DATA_VERSION, 4);
  bytes.writeUInt32LE(fileId, 24);
  return bytes;
}

/** Says what is wrong with a header; undefined when nothing is. */
export function dataHeaderFault(bytes: Buffer, fileId: number): string | undefined {
  if (bytes.length < DATA_HEADER_BYTES || bytes.toString('latin1', 0, 4) !== DATA_MAGIC) {
    return 'is no data file';
  }
  const version = bytes.readUInt32LE(4);
  if (version !== DATA_VERSION) return `has data version ${version}, not ${DATA_VERSION}`;
  const found = bytes.readUInt32LE(24);
  return found === fileId ? undefined : `says that it is file ${found}`;
}

export interface DataEntry {
  readonly keyLength: number;
  readonly valueLength: number;
  /** Offset of the entry before it in the same file, 0 = none. */
  readonly previousOffset: number;
  readonly checksum: number;
  readonly flags: number;
  readonly timeSeconds: number;
}

export function encodeDataEntry(entry: DataEntry): Buffer {
  const bytes = Buffer.alloc(DATA_ENTRY_BYTES);
  bytes.writeUInt8(entry.keyLength, 0);
  bytes.writeUInt32LE(entry.valueLength, 1);
  bytes.writeUInt32LE(entry.previousOffset, 5);
  bytes.writeUInt32LE(entry.checksum, 9);
  bytes.writeUInt8(entry.flags, 13);
  bytes.writeUInt32LE(entry.timeSeconds, 14);
  return bytes;
}

export function decodeDataEntry(bytes: Buffer, at: number): DataEntry {
  return {
    keyLength: bytes.readUInt8(at),
    valueLength: bytes.readUInt32LE(at + 1),
    previousOffset: bytes.readUInt32LE(at + 5),
    checksum: bytes.readUInt32LE(at + 9),
    flags: bytes.readUInt8(at + 13),
    timeSeconds: bytes.readUInt32LE(at + 14),
  };
}

export type OriginalMode = 'user' | 'seq';

export function encodeIndexHeader(fileId: number, mode: OriginalMode): Buffer {
  const bytes = Buffer.alloc(INDEX_HEADER_BYTES);
  bytes.write(INDEX_MAGIC, 'latin1');
  bytes.writeUInt32LE(INDEX_VERSION, 4);
  bytes.writeUInt32LE(fileId, 24);
  bytes.writeUInt8(mode === 'seq' ? 1 : 0, 28);
  return bytes;
}

/** Mode of the namespace; undefined when the header is none of this version. */
export function decodeIndexMode(bytes: Buffer): OriginalMode | undefined {
  if (bytes.length < INDEX_HEADER_BYTES || bytes.toString('latin1', 0, 4) !== INDEX_MAGIC) {
    return undefined;
  }
  if (bytes.readUInt32LE(4) !== INDEX_VERSION) return undefined;
  const mode = bytes.readUInt8(28);
  return mode === 0 ? 'user' : mode === 1 ? 'seq' : undefined;
}

export interface OriginalIndexEntry {
  readonly key: Buffer;
  readonly dataOffset: number;
  readonly valueLength: number;
  /** Offset of the index entry written before it, 0 = none. */
  readonly previousOffset: number;
  readonly flags: number;
  readonly dataFile: number;
  readonly timeSeconds: number;
  readonly checksum: number;
  /** Index entry of the former version of the key; 0, 0 = none. */
  readonly parentFile: number;
  readonly parentOffset: number;
}

export function encodeIndexEntry(entry: OriginalIndexEntry): Buffer {
  const bytes = Buffer.alloc(INDEX_ENTRY_BYTES + entry.key.length);
  bytes.writeUInt8(entry.key.length, 0);
  bytes.writeUInt32LE(entry.dataOffset, 1);
  bytes.writeUInt32LE(entry.valueLength, 5);
  bytes.writeUInt32LE(entry.previousOffset, 9);
  bytes.writeUInt8(entry.flags, 13);
  bytes.writeUInt32LE(entry.dataFile, 14);
  bytes.writeUInt32LE(entry.timeSeconds, 18);
  bytes.writeUInt32LE(entry.checksum, 22);
  bytes.writeUInt32LE(entry.parentFile, 26);
  bytes.writeUInt32LE(entry.parentOffset, 30);
  entry.key.copy(bytes, INDEX_ENTRY_BYTES);
  return bytes;
}

export interface OriginalNamespace {
  readonly name: string;
  readonly password: string;
  readonly maxBytes: number;
  readonly isPublic: boolean;
  readonly isWorm: boolean;
}

export function encodeNamespace(namespace: OriginalNamespace): Buffer {
  const name = Buffer.from(namespace.name);
  const password = Buffer.from(namespace.password);
  const bytes = Buffer.alloc(NAMESPACE_BYTES);
  bytes.writeUInt32LE(NAMESPACE_VERSION, 0);
  bytes.writeUInt8(name.length, 4);
  bytes.writeUInt8(password.length, 5);
  bytes.writeBigUInt64LE(BigInt(namespace.maxBytes), 6);
  bytes.writeUInt8((namespace.isPublic ? 1 : 0) | (namespace.isWorm ? 2 : 0) | 4, 14);
  return Buffer.concat([bytes, name, password]);
}

/** Undefined when it is no namespace file of this version. */
export function decodeNamespace(bytes: Buffer): OriginalNamespace | undefined {
  if (bytes.length < NAMESPACE_BYTES || bytes.readUInt32LE(0) !== NAMESPACE_VERSION) {
    return undefined;
  }
  const nameEnd = NAMESPACE_BYTES + bytes.readUInt8(4);
  const end = nameEnd + bytes.readUInt8(5);
  if (bytes.length < end) return undefined;
  const flags = bytes.readUInt8(14);
  return {
    name: bytes.toString('utf8', NAMESPACE_BYTES, nameEnd),
    password: bytes.toString('utf8', nameEnd, end),
    maxBytes: Number(bytes.readBigUInt64LE(6)),
    isPublic: (flags & 1) !== 0,
    isWorm: (flags & 2) !== 0,
  };
}
