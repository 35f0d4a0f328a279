import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';

import { hasCode } from '@commongrid/base/testing';

import { chunkBytes } from '../tree/inode.ts';
import { hashOfChunk, packChunk, packedChunkBytesMax, unpackChunk } from './chunk-codec.ts';

test('a chunk is what it was after it was packed, also one that does not pack', async () => {
  for (const plaintext of [Buffer.from('a'), Buffer.alloc(chunkBytes), randomBytes(chunkBytes)]) {
    const hash = await hashOfChunk(plaintext);
    const packed = await packChunk(plaintext);
    assert.ok(packed.length <= packedChunkBytesMax);
    assert.deepEqual(await unpackChunk(hash, packed), plaintext);
    assert.deepEqual(await unpackChunk(hash, packed, plaintext.length, true), plaintext);
  }
});

test('a chunk that is torn, other, too long or empty is refused', async () => {
  const plaintext = randomBytes(1000);
  const hash = await hashOfChunk(plaintext);
  const packed = await packChunk(plaintext);
  const refuses = async (bytes: Uint8Array, sizeBytes = 1000): Promise<void> => {
    const unpacking = unpackChunk(hash, bytes, sizeBytes, true);
    await assert.rejects(unpacking, hasCode('FLIST_CHUNK_CORRUPT'));
  };
  await refuses(packed.subarray(0, -1));
  await refuses(await packChunk(randomBytes(1000)));
  await refuses(packed, 999);
  await refuses(packed, 1001);
  await refuses(new Uint8Array());
  await refuses(zstdCompressSync(Buffer.alloc(100_000_000)));
  await refuses(Buffer.alloc(packedChunkBytesMax + 1));
  const nothing = await hashOfChunk(Buffer.alloc(0));
  const empty = unpackChunk(nothing, zstdCompressSync(Buffer.alloc(0)));
  await assert.rejects(empty, hasCode('FLIST_CHUNK_CORRUPT'));
});

test('a frame that asks for much memory is refused', async () => {
  const plaintext = Buffer.alloc(1000);
  const hash = await hashOfChunk(plaintext);
  const frameWith = (windowLog: number): Buffer => {
    const block = (plaintext.length << 3) | 1;
    const header = [0x28, 0xb5, 0x2f, 0xfd, 0, (windowLog - 10) << 3, block & 0xff, block >> 8, 0];
    return Buffer.concat([Buffer.from(header), plaintext]);
  };
  assert.deepEqual(await unpackChunk(hash, frameWith(21)), plaintext);
  await assert.rejects(unpackChunk(hash, frameWith(27)), hasCode('FLIST_CHUNK_CORRUPT'));
});
