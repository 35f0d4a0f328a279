import { createHash } from 'node:crypto';
import type { ChunkHash } from '../ports.ts';
import { hashBytes } from '../tree/inode.ts';
import type { RegularFile } from '../tree/inode.ts';

/** Names the content of a file, 64 lowercase hex digits: files of one content are one object. */
export type ObjectId = string & { readonly ObjectId: unique symbol };

const domain = Buffer.from('commongrid/flist-object/1\0', 'latin1');

/** SHA-256 of a domain, a zero byte, the size in 8 bytes, big endian, and the hashes of chunks. */
export function objectIdOf({ sizeBytes, chunkHashes }: RegularFile): ObjectId {
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(sizeBytes));
  const hash = createHash('sha256').update(domain).update(size).update(chunkHashes);
  return hash.digest('hex') as ObjectId;
}

/** The hashes of a file's chunks, in order. */
export function chunkHashesOf({ chunkHashes }: RegularFile): ChunkHash[] {
  const hashes: ChunkHash[] = [];
  for (let at = 0; at < chunkHashes.length; at += hashBytes) {
    hashes.push(chunkHashes.subarray(at, at + hashBytes).toHex() as ChunkHash);
  }
  return hashes;
}
