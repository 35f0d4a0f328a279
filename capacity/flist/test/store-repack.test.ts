import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import type { ChunkHash } from '../src/ports.ts';
import { packedChunkBytesMax, unpackChunk } from '../src/store/chunk-codec.ts';
import { fannedPath } from '../src/store/fanned-folder.ts';
import { FlistRepository } from '../src/store/flist-repository.ts';
import { chunkBytes } from '../src/tree/inode.ts';

test('chunks are packed again once, and are the same', async () => {
  await using folder = await tempFolder('repack');
  const plaintexts = [
    readFileSync(process.execPath).subarray(0, chunkBytes),
    Buffer.from('short'),
    randomBytes(chunkBytes),
  ];
  await using repository = await FlistRepository.open({ folder: folder.path });
  const hashes: ChunkHash[] = [];
  for (const plaintext of plaintexts) hashes.push(await repository.put(plaintext));
  await repository.sync();
  const pathOf = (hash = '' as ChunkHash): string => fannedPath(`${folder.path}/blobs`, hash);
  const before = await readFile(pathOf(hashes[0]));

  const { repackedChunks, savedBytes } = await repository.repack();
  assert.equal(repackedChunks, plaintexts.length);
  assert.ok(savedBytes > before.length / 20, `${savedBytes} of ${before.length}`);
  for await (const { hash, packed } of repository.fetch(hashes, AbortSignal.timeout(60_000))) {
    assert.ok(packed.length <= packedChunkBytesMax);
    assert.deepEqual(await unpackChunk(hash, packed), plaintexts[hashes.indexOf(hash)]);
  }
  assert.deepEqual(await repository.repack(), { repackedChunks: 0, savedBytes: 0 });
});

test('a damaged chunk is left for the scrub when others are packed again', async () => {
  await using folder = await tempFolder('repack');
  await using repository = await FlistRepository.open({ folder: folder.path });
  const bad = await repository.put(Buffer.alloc(50_000, 'one'));
  await repository.put(Buffer.alloc(50_000, 'two'));
  await repository.sync();
  const path = fannedPath(`${folder.path}/blobs`, bad);
  const packed = await readFile(path);
  await writeFile(path, packed.fill(0, 20));
  assert.equal((await repository.repack()).repackedChunks, 1);
  assert.deepEqual(await readFile(path), packed);
  assert.deepEqual((await repository.scrub()).badChunks, [bad]);
});
