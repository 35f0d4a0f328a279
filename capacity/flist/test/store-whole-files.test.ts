import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import { ChunkJoiner } from '../src/store/chunk-joiner.ts';
import type { JoinPiece } from '../src/store/join-worker.ts';
import { ObjectStore } from '../src/store/object-store.ts';
import type { StoreEvent } from '../src/store/store-types.ts';
import { chunkBytes } from '../src/tree/inode.ts';
import { imageOf } from './store-images.ts';
import { digestOf, MemorySource, sourcesOf } from './store-sources.ts';

const MiB = 1024 * 1024;

/** More chunks than are joined by one order, the last one short. */
const longBytes = 17 * MiB + 5;

test('a long file is put together, whatever happened to its chunks', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ long: randomBytes(longBytes) });
  const source = new MemorySource(image.chunks);
  const events: StoreEvent[] = [];
  await using store = await ObjectStore.open({
    ...{ folder: folder.path, maxBytes: 100 * MiB, sources: sourcesOf(source) },
    onEvent: (event) => events.push(event),
  });
  await store.addFlist(digestOf(image), image.flist);
  const long = image.idOf('long');
  await store.need(long, 0, image.chunks.length - 1);
  const [damaged, gone] = [store.whereIs(long, 3), store.whereIs(long, 33)];
  assert.ok(damaged !== undefined && gone !== undefined);
  await writeFile(damaged.path, randomBytes(chunkBytes));
  await rm(gone.path);
  await store.need(long, image.chunks.length - 1, 1);
  assert.equal(store.hasObject(long), true);
  const path = join(store.objectsFolder, long.slice(0, 2), long);
  assert.deepEqual(await readFile(path), image.contents['long']);
  assert.deepEqual(events, [{ kind: 'chunk-damaged', hash: image.hashes[3] }]);
  assert.equal(store.usage.chunks, 0);
});

test('a joiner copies pieces to their position, and refuses what is damaged or not there', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ a: randomBytes(chunkBytes + 1000) });
  const from = join(folder.path, 'from');
  await writeFile(from, Buffer.concat([Buffer.alloc(10), image.contents['a'] ?? Buffer.alloc(0)]));
  const pieces: JoinPiece[] = image.chunks.map((chunk, index) => ({
    ...{ path: from, offset: 10 + index * chunkBytes, sizeBytes: chunk.length },
    hash: image.hashes[index] ?? '',
  }));
  const to = join(folder.path, 'to');
  await using file = await open(to, 'wx');
  const joiner = new ChunkJoiner();
  assert.equal(await joiner.join(file.fd, 7, pieces), true);
  assert.deepEqual((await readFile(to)).subarray(7), image.contents['a']);
  const [first] = pieces;
  assert.ok(first !== undefined);
  for (const wrong of [{ offset: 9 }, { path: join(folder.path, 'none') }, { sizeBytes: 5 }]) {
    assert.equal(await joiner.join(file.fd, 0, [{ ...first, ...wrong }]), false);
  }
  assert.equal(await joiner.join(-1, 0, pieces), false);
});
