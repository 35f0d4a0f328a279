import { hash } from 'node:crypto';

import type { ChunkHash } from '../ports.ts';
import { hashBytes } from '../tree/inode.ts';
import type { RegularFile } from '../tree/inode.ts';

/** Names the content of a file, 64 lowercase hex digits: files of one content are one object. */
export type ObjectId = string & { readonly ObjectId: unique symbol };

const domain = Buffer.from('commongrid/flist-object/1\0', 'latin1');

const sizeAt = domain.length;
const hashesAt = sizeAt + 8;

/** Where names of most files are put together: few have more than 64 chunks. */
const scratch = Buffer.alloc(hashesAt + 64 * hashBytes);
scratch.set(domain);

/** SHA-256 of a domain, a zero byte, the size in 8 bytes, big endian, and the hashes of chunks. */
export function objectIdOf({ sizeBytes, chunkHashes }: RegularFile): ObjectId {
  const end = hashesAt + chunkHashes.length;
  const named = end <= scratch.length ? scratch : Buffer.concat([domain], end);
  named.writeUInt32BE(Math.floor(sizeBytes / 2 ** 32), sizeAt);
  named.writeUInt32BE(sizeBytes % 2 ** 32, sizeAt + 4);
  named.set(chunkHashes, hashesAt);
  return hash('sha256', named.subarray(0, end), 'hex') as ObjectId;
}

/** The hashes of a file's chunks, in order. */
export function chunkHashesOf({ chunkHashes }: RegularFile): ChunkHash[] {
  const hashes: ChunkHash[] = [];
  for (let at = 0; at < chunkHashes.length; at += hashBytes) {
    hashes.push(chunkHashes.subarray(at, at + hashBytes).toHex() as ChunkHash);
  }
  return hashes;
}
