import type { ChunkRecord } from '../blob/chunk-record.ts';
import { openBytes, sealBytes } from '../stor/sealed-bytes.ts';
import { damaged, FieldReader, FieldWriter } from './fields.ts';

/** Content of one value; what is longer takes several. */
const partBytesMax = 2 ** 20;
const magic = Buffer.from('ZMAN');
/** 1, which is read, too, had numbers of fixed lengths. */
const format = 2;
const headerBytes = 16;

/** A blob, and all that is needed to read it without tables but the key of its bucket. */
export interface ManifestBlob {
  /** 16 bytes */
  readonly id: Uint8Array;
  readonly keyNo: number;
  readonly wrappedKey: Uint8Array;
  readonly chunks: readonly { readonly plaintextBytes: number; readonly record: ChunkRecord }[];
}

/** What is kept beside the tables of each version: enough to make its rows again. */
export interface Manifest {
  /** 16 bytes; chosen by the owner of the version, never used for another. */
  readonly versionId: Uint8Array;
  /** What the owner wants to know again: this does not look into it. */
  readonly document: Uint8Array;
  readonly blobs: readonly ManifestBlob[];
}

/** Some of the content of a manifest, opened. */
export interface ManifestPart {
  readonly format: number;
  readonly part: number;
  readonly parts: number;
  readonly content: Buffer;
}

/** Key of a part: `M`, id of the version, and from the second part on its number, u16. */
export function manifestKey(versionId: Uint8Array, part: number): Buffer {
  const key = Buffer.concat([Buffer.from('M'), versionId, Buffer.alloc(part === 0 ? 0 : 2)]);
  if (part > 0) key.writeUInt16BE(part, 17);
  return key;
}

/** The version of a key; undefined when it is none of a manifest's first part. */
export function versionIdIn(key: Buffer): Buffer | undefined {
  return key.length === 17 && key[0] === 'M'.charCodeAt(0) ? key.subarray(1) : undefined;
}

/**
 * A manifest as values to be stored, in the order of their parts.
 * @param key 32 bytes, of the store
 */
export function sealManifest(key: Uint8Array, manifest: Manifest): Buffer[] {
  const content = contentOf(manifest);
  const parts = Math.max(1, Math.ceil(content.length / partBytesMax));
  return Array.from({ length: parts }, (_, part) => {
    const header = Buffer.alloc(headerBytes);
    header.set(magic);
    header.writeUInt8(format, 4);
    header.writeUInt32LE(part, 8);
    header.writeUInt32LE(parts, 12);
    const some = content.subarray(part * partBytesMax, (part + 1) * partBytesMax);
    return sealBytes(key, some, about(header, manifest.versionId), header);
  });
}

/** @returns undefined when the value is no part of a manifest of this version and store */
export function openManifestPart(
  key: Uint8Array,
  versionId: Uint8Array,
  value: Buffer,
): ManifestPart | undefined {
  const header = value.subarray(0, headerBytes);
  if (value.length < headerBytes || !magic.equals(header.subarray(0, 4))) return undefined;
  const itsFormat = header.readUInt8(4);
  if (itsFormat < 1 || itsFormat > format) return undefined;
  const content = openBytes(key, value.subarray(headerBytes), about(header, versionId));
  if (content === undefined) return undefined;
  const part = header.readUInt32LE(8);
  return { format: itsFormat, part, parts: header.readUInt32LE(12), content };
}

/** @param parts all of them, in order @throws ZSTOR_MANIFEST_CORRUPT */
export function parseManifest(versionId: Uint8Array, parts: readonly ManifestPart[]): Manifest {
  const [first] = parts;
  // Two copies of which one was written anew.
  if (parts.some((part) => part.format !== first?.format)) throw damaged();
  const content = Buffer.concat(parts.map((part) => part.content));
  const fields = new FieldReader(content, first?.format === 1);
  const document = fields.bytes(fields.number());
  const blobs = fields.list(() => ({
    id: fields.bytes(16),
    keyNo: fields.number(),
    wrappedKey: fields.bytes(fields.u8()),
    chunks: fields.list(() => ({ plaintextBytes: fields.number(), record: readRecord(fields) })),
  }));
  if (!fields.isEnd) throw damaged();
  return { versionId, document, blobs };
}

/** Whether two say the same of a version. */
export function isSameManifest(one: Manifest, other: Manifest): boolean {
  return contentOf(one).equals(contentOf(other));
}

function contentOf({ document, blobs }: Manifest): Buffer {
  const fields = new FieldWriter(document.length + 1024);
  fields.number(document.length);
  fields.bytes(document);
  fields.list(blobs, ({ id, keyNo, wrappedKey, chunks }) => {
    fields.bytes(id);
    fields.number(keyNo);
    fields.u8(wrappedKey.length);
    fields.bytes(wrappedKey);
    fields.list(chunks, ({ plaintextBytes, record }) => {
      fields.number(plaintextBytes);
      writeRecord(fields, record);
    });
  });
  return fields.end();
}

function writeRecord(fields: FieldWriter, record: ChunkRecord): void {
  const { id, kind, dataShards, parityShards, bodyBytes, locations, digests } = record;
  fields.bytes(id);
  fields.u8(kind === 'copied' ? 1 : 0);
  fields.u8(dataShards);
  fields.u8(parityShards);
  fields.number(bodyBytes);
  fields.u8(locations.length);
  for (const no of locations) fields.number(no);
  fields.u8(digests.length);
  for (const digest of digests) fields.bytes(digest);
}

function readRecord(fields: FieldReader): ChunkRecord {
  return {
    id: fields.bytes(16),
    kind: fields.u8() === 1 ? 'copied' : 'coded',
    dataShards: fields.u8(),
    parityShards: fields.u8(),
    bodyBytes: fields.number(),
    locations: fields.times(fields.u8(), () => fields.number(2)),
    digests: fields.times(fields.u8(), () => fields.bytes(32)),
  };
}

function about(header: Uint8Array, versionId: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('commongrid/zstor-manifest/1\0'), header, versionId]);
}
