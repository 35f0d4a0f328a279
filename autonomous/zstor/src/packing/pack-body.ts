import { GridError } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';

/** A small object in a pack: its ciphertext and tag, as they were sealed. */
export interface PackEntry {
  /** Id of its own chunk, 16 bytes. */
  readonly chunkId: Uint8Array;
  readonly offset: number;
  readonly bytes: number;
}

const magic = Buffer.from('ZPCK');
const entryBytes = 24;
const endBytes = 8;

/** Length of the body of a pack. */
export function packBodyBytesOf(contentBytes: number, entryCount: number): number {
  return contentBytes + entryCount * entryBytes + endBytes;
}

/**
 * Writes the list of what is in a pack behind its content: without tables, too, a pack tells whose
 * bytes it has. docs/formats/zstor-shard.md.
 */
export function writePackList(body: Buffer, entries: readonly PackEntry[]): void {
  let at = body.length - endBytes - entries.length * entryBytes;
  for (const { chunkId, offset, bytes } of entries) {
    body.set(chunkId, at);
    body.writeUInt32LE(offset, at + 16);
    body.writeUInt32LE(bytes, at + 20);
    at += entryBytes;
  }
  body.writeUInt32LE(entries.length, at);
  body.set(magic, at + 4);
}

/**
 * What a pack says of itself. It is not authenticated: each object is, when it is opened.
 * @throws ZSTOR_SHARD_UNKNOWN when the body of the chunk is not that of a pack
 */
export function readPackList(body: Buffer): PackEntry[] {
  const end = body.length - endBytes;
  const isPack = end >= 0 && magic.equals(body.subarray(end + 4));
  const count = isPack ? body.readUInt32LE(end) : 0;
  const listAt = end - count * entryBytes;
  if (!isPack || listAt < 0) throw noPack();
  return Array.from({ length: count }, (_, index) => {
    const at = listAt + index * entryBytes;
    const offset = body.readUInt32LE(at + 16);
    const bytes = body.readUInt32LE(at + 20);
    if (offset + bytes > listAt) throw noPack();
    return { chunkId: body.subarray(at, at + 16), offset, bytes };
  });
}

function noPack(): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_SHARD_UNKNOWN', 'this chunk is no pack of small objects', {
    hint: 'look at what the metadata says of it',
  });
}
