import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';

import { ObjectStore } from '../src/store/object-store.ts';
import type { ObjectStoreOptions, StoreEvent } from '../src/store/store-types.ts';
import { chunkBytes } from '../src/tree/inode.ts';
import { imageOf } from './store-images.ts';
import type { TestImage } from './store-images.ts';
import { digestOf, MemorySource, sourcesOf } from './store-sources.ts';

const MiB = 1024 * 1024;

async function storeOf(
  folder: string,
  image: TestImage,
  options: Partial<ObjectStoreOptions> = {},
) {
  const source = new MemorySource(image.chunks);
  const events: StoreEvent[] = [];
  const store = await ObjectStore.open({
    folder,
    maxBytes: 100 * MiB,
    sources: sourcesOf(source),
    onEvent: (event) => events.push(event),
    ...options,
  });
  await store.addFlist(digestOf(image), image.flist);
  return { store, source, events, digest: digestOf(image) };
}

test('a store fetches what is asked for, and a small file becomes whole', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ a: randomBytes(1_300_000), b: Buffer.from('b') });
  const { store, source } = await storeOf(folder.path, image);
  await using _ = store;
  const a = image.idOf('a');
  assert.equal(store.whereIs(a, 1), undefined);
  await store.need(a, 1, 1);
  assert.ok(source.asked.includes(image.hashes[1] ?? ''));
  const place = store.whereIs(a, 1);
  assert.ok(place !== undefined);
  await waitFor(() => store.hasObject(a), { timeoutMs: 60_000, what: 'the whole file' });
  const path = join(store.objectsFolder, a.slice(0, 2), a);
  assert.deepEqual(await readFile(path), image.contents['a']);
  assert.equal(store.whereIs(a, 2)?.offset, 2 * chunkBytes);
  assert.equal(store.hasObject(image.idOf('b')), false);
  assert.equal(store.usage.chunks, 0);
  assert.equal(source.asked.length, new Set(source.asked).size, 'nothing was fetched twice');
});

test('a large file is not completed unasked, and becomes whole when all of it was read', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ big: randomBytes(5 * MiB + 5) });
  const { store, source } = await storeOf(folder.path, image);
  await using _ = store;
  const big = image.idOf('big');
  const count = image.hashes.length;
  for (let index = count - 1; index > 0; index--) {
    const bytes = await store.readChunk(big, index);
    assert.deepEqual(bytes, image.chunks[index]);
  }
  assert.equal(source.asked.length, count - 1);
  assert.ok(!store.hasObject(big));
  await store.readChunk(big, 0);
  await waitFor(() => store.hasObject(big), { timeoutMs: 60_000, what: 'the whole file' });
  assert.equal(source.asked.length, count);
});

test('an image that claims another size of a chunk does not make a large file be looked through', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ big: randomBytes(16 * MiB) });
  const { store } = await storeOf(folder.path, image);
  await using _ = store;
  await store.need(image.idOf('big'), 0, image.hashes.length);
  assert.ok(store.hasObject(image.idOf('big')));
  const liar = imageOf({ short: image.chunks[7]?.subarray(0, 100) ?? Buffer.alloc(0) });
  const file = liar.files.get('short');
  assert.ok(file !== undefined);
  // In place: the image is what it names.
  file.chunkHashes.set(Buffer.from(image.hashes[7] ?? '', 'hex'));
  await store.addFlist(digestOf(liar), liar.flist);
  const before = await readBytes();
  await assert.rejects(store.readChunk(liar.idOf('short'), 0), hasCode('FLIST_CHUNK_UNAVAILABLE'));
  assert.ok((await readBytes()) - before < 8 * MiB);
});

/** What this process has read from files. */
async function readBytes(): Promise<number> {
  const [, sizeBytes] = /^rchar: (\d+)$/m.exec(await readFile('/proc/self/io', 'utf8')) ?? [];
  return Number(sizeBytes);
}

test('a chunk that another whole file has is not fetched', async () => {
  await using folder = await tempFolder('flist');
  const shared = randomBytes(chunkBytes);
  const image = imageOf({
    a: shared,
    b: Buffer.concat([randomBytes(chunkBytes), shared, randomBytes(5 * MiB)]),
  });
  const { store, source } = await storeOf(folder.path, image);
  await using _ = store;
  await store.need(image.idOf('a'), 0, 1);
  assert.deepEqual(await store.readChunk(image.idOf('b'), 1), shared);
  assert.equal(source.asked.length, 1);
});

test('many who need one chunk at a time cause one request', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ a: Buffer.from('a'), b: Buffer.from('b') });
  const { store, source } = await storeOf(folder.path, image);
  await using _ = store;
  const reads = Array.from({ length: 100 }, () => store.readChunk(image.idOf('a'), 0));
  await Promise.all([...reads, store.need(image.idOf('b'), 0, 1)]);
  assert.equal(source.requests, 1);
  assert.equal(source.asked.length, 2);
});

test('an object that no flist names is refused, and an empty one needs no source', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ empty: Buffer.alloc(0) });
  const { store, source } = await storeOf(folder.path, image);
  await using _ = store;
  const stranger = imageOf({ a: Buffer.from('a') }).idOf('a');
  await assert.rejects(store.need(stranger, 0, 1), hasCode('FLIST_OBJECT_UNKNOWN'));
  assert.throws(() => store.pin('m', digestOf(imageOf({}))), hasCode('FLIST_OBJECT_UNKNOWN'));
  await store.need(image.idOf('empty'), 0, 0);
  assert.ok(store.hasObject(image.idOf('empty')));
  assert.equal(source.requests, 0);
});

test('a flip in a whole file is found before a mount, when it is read, and by a scrub', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ a: randomBytes(1_000_000) });
  const { store, events, digest } = await storeOf(folder.path, image);
  await using _ = store;
  const a = image.idOf('a');
  const path = join(store.objectsFolder, a.slice(0, 2), a);
  store.pin('mount-1', digest);
  const flip = async (): Promise<void> => {
    await store.need(a, 0, 2);
    const bytes = await readFile(path);
    bytes[900_000] = (bytes[900_000] ?? 0) ^ 1;
    await writeFile(path, bytes);
  };
  const tainted = { kind: 'object-tainted', object: a, mounts: ['mount-1'] };

  await flip();
  const verified = await store.verifyObjectsOf(digest);
  assert.deepEqual(verified, { wholeObjects: 0, readObjects: 1, removedObjects: 1 });
  assert.deepEqual(events.splice(0), [tainted]);

  await flip();
  assert.deepEqual(await store.readChunk(a, 1), image.chunks[1]);
  assert.deepEqual(events.splice(0), [tainted]);

  await flip();
  const { badFiles } = await store.scrub();
  assert.equal(badFiles, 1);
  assert.deepEqual(events.splice(0), [tainted]);
  assert.deepEqual(await readFile(path), image.contents['a'], 'a mount needs it: fetched again');
});

test('a flip while a machine has no power is told of when its store is opened', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ a: randomBytes(1_000_000), b: randomBytes(1_000) });
  const { store, digest } = await storeOf(join(folder.path, 'before'), image);
  await using _ = store;
  store.pin('mount-1', digest);
  await store.prefetch(digest, { whole: true });
  // The store was not closed: as the disk of a machine that lost its power.
  const after = join(folder.path, 'after');
  await cp(join(folder.path, 'before'), after, { recursive: true });
  const a = image.idOf('a');
  const path = join(after, 'objects', a.slice(0, 2), a);
  const bytes = await readFile(path);
  bytes[900_000] = (bytes[900_000] ?? 0) ^ 1;
  await writeFile(path, bytes);
  const events: StoreEvent[] = [];
  await using next = await ObjectStore.open({
    ...{ folder: after, maxBytes: 100 * MiB, sources: sourcesOf(new MemorySource(image.chunks)) },
    onEvent: (event) => events.push(event),
  });
  assert.deepEqual(events, [{ kind: 'object-tainted', object: a, mounts: ['mount-1'] }]);
  assert.deepEqual([next.hasObject(a), next.hasObject(image.idOf('b'))], [false, true]);
  assert.deepEqual(await next.readChunk(a, 1), image.chunks[1]);
});

test('a flip in a single chunk is found when it is read', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ big: randomBytes(5 * MiB) });
  const { store, events, source } = await storeOf(folder.path, image);
  await using _ = store;
  const big = image.idOf('big');
  await store.need(big, 3, 1);
  const place = store.whereIs(big, 3);
  assert.ok(place !== undefined);
  await writeFile(place.path, randomBytes(chunkBytes));
  assert.deepEqual(await store.readChunk(big, 3), image.chunks[3]);
  assert.deepEqual(events, [{ kind: 'chunk-damaged', hash: image.hashes[3] }]);
  assert.equal(source.requests, 2);
});

test('a file that only has another time is read before a mount, and kept', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ a: randomBytes(1000), b: randomBytes(1000) });
  const { store, digest, events } = await storeOf(folder.path, image);
  await using _ = store;
  await store.prefetch(digest, { whole: true });
  const untouched = await store.verifyObjectsOf(digest);
  assert.deepEqual(untouched, { wholeObjects: 2, readObjects: 0, removedObjects: 0 });
  const a = image.idOf('a');
  await utimes(join(store.objectsFolder, a.slice(0, 2), a), 1, 1);
  const touched = await store.verifyObjectsOf(digest);
  assert.deepEqual(touched, { wholeObjects: 2, readObjects: 1, removedObjects: 0 });
  assert.equal((await store.verifyObjectsOf(digest)).readObjects, 0);
  assert.deepEqual(events, []);
});

test('a file that somebody planted is not used', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ a: Buffer.from('right') });
  const { store, digest, events } = await storeOf(folder.path, image);
  await using _ = store;
  const a = image.idOf('a');
  const path = join(store.objectsFolder, a.slice(0, 2), a);
  await writeFile(path, 'wrong');
  const result = await store.verifyObjectsOf(digest);
  assert.deepEqual(result, { wholeObjects: 0, readObjects: 1, removedObjects: 1 });
  assert.equal(events.length, 1);
  await assert.rejects(stat(path), { code: 'ENOENT' });
  await writeFile(path, 'right');
  assert.equal((await store.verifyObjectsOf(digest)).wholeObjects, 1);
  assert.ok(store.hasObject(a));
});

test('a file that somebody removed is fetched again when it is read', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ a: Buffer.from('a') });
  const { store, events } = await storeOf(folder.path, image);
  await using _ = store;
  const a = image.idOf('a');
  await store.need(a, 0, 1);
  await rm(join(store.objectsFolder, a.slice(0, 2), a));
  assert.equal((await store.readChunk(a, 0)).toString(), 'a');
  await waitFor(() => store.hasObject(a), { timeoutMs: 60_000, what: 'the file' });
  assert.deepEqual(events, []);
});

test('a full store evicts what was used least, never what a mount names', async () => {
  await using folder = await tempFolder('flist');
  const contents = Object.fromEntries(
    Array.from({ length: 20 }, (_, index) => [`f${index}`, randomBytes(100_000)]),
  );
  const image = imageOf(contents);
  const pinned = imageOf({ f0: contents['f0'] ?? Buffer.alloc(0) });
  const { store } = await storeOf(folder.path, image, { maxBytes: 1_100_000 });
  await using _ = store;
  await store.addFlist(digestOf(pinned), pinned.flist);
  store.pin('mount', digestOf(pinned));
  for (let index = 0; index < 20; index++) await store.need(image.idOf(`f${index}`), 0, 1);
  assert.ok(store.hasObject(image.idOf('f0')));
  assert.ok(store.hasObject(image.idOf('f19')));
  assert.ok(!store.hasObject(image.idOf('f1')));
  assert.ok(store.usage.usedBytes <= 1_100_000);
  assert.ok(store.usage.evictedBytes > 0);
});

test('many who read from a store that evicts all the time get right bytes', async () => {
  await using folder = await tempFolder('flist');
  const sizes = Array.from({ length: 24 }, (_, index) => 20_000 + 40_000 * (index % 5));
  const contents = Object.fromEntries(
    sizes.map((sizeBytes, index) => [`f${index}`, randomBytes(sizeBytes)]),
  );
  const image = imageOf(contents);
  const pinned = imageOf({ f3: contents['f3'] ?? Buffer.alloc(0) });
  const { store } = await storeOf(folder.path, image, { maxBytes: 600_000 });
  await using _ = store;
  await store.addFlist(digestOf(pinned), pinned.flist);
  store.pin('mount', digestOf(pinned));
  await store.need(image.idOf('f3'), 0, 1);
  const readers = Array.from({ length: 6 }, async (_unused, reader) => {
    for (let turn = 0; turn < 40; turn++) {
      const name = `f${(turn * (reader + 1) * 7) % 24}`;
      assert.deepEqual(await store.readChunk(image.idOf(name), 0), contents[name]);
      assert.ok(store.usage.usedBytes <= 600_000);
      assert.ok(store.hasObject(image.idOf('f3')));
    }
  });
  await Promise.all(readers);
  assert.ok(store.usage.evictedBytes > 0);
});

test('a store that mounts fill says so, and still reads', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ a: randomBytes(100_000), b: randomBytes(100_000) });
  const { store, digest } = await storeOf(folder.path, image, { maxBytes: 150_000 });
  await using _ = store;
  store.pin('mount', digest);
  await store.need(image.idOf('a'), 0, 1);
  await assert.rejects(store.need(image.idOf('b'), 0, 1), hasCode('FLIST_STORE_FULL'));
  assert.deepEqual(await store.readChunk(image.idOf('b'), 0), image.contents['b']);
  assert.equal(store.usage.objects, 1);
  store.unpin('mount');
  await store.need(image.idOf('b'), 0, 1);
  assert.ok(!store.hasObject(image.idOf('a')));
});

test('a store keeps its files and pins, and is open once at a time', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ a: Buffer.from('a') });
  const first = await storeOf(folder.path, image);
  await first.store.need(image.idOf('a'), 0, 1);
  first.store.pin('mount', first.digest);
  const other = ObjectStore.open({ folder: folder.path, maxBytes: 1, sources: sourcesOf() });
  await assert.rejects(other, hasCode('BASE_FOLDER_LOCKED'));
  const { usedBytes } = first.store.usage;
  await first.store.close();
  await assert.rejects(first.store.need(image.idOf('a'), 0, 1), hasCode('BASE_CLOSED'));
  const options = { folder: folder.path, maxBytes: MiB, sources: sourcesOf() };
  await using again = await ObjectStore.open(options);
  assert.deepEqual([...again.pins], [['mount', first.digest]]);
  assert.equal(again.usage.usedBytes, usedBytes);
  assert.equal((await again.readChunk(image.idOf('a'), 0)).toString(), 'a');
});

test('a store without a source that has a chunk names the sources', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ a: Buffer.from('a') });
  const empty = new MemorySource([], 'empty');
  const { store } = await storeOf(folder.path, image, { sources: sourcesOf(empty) });
  await using _ = store;
  const reading = store.readChunk(image.idOf('a'), 0);
  await assert.rejects(reading, hasCode('FLIST_CHUNK_UNAVAILABLE'));
});

test('a start trace is fetched ahead, and nothing else', async () => {
  await using folder = await tempFolder('flist');
  const image = imageOf({ big: randomBytes(6 * MiB), c: Buffer.from('c'), d: Buffer.from('d') });
  const { store, source } = await storeOf(folder.path, image);
  await using _ = store;
  const [big, c] = [image.files.get('big'), image.files.get('c')];
  assert.ok(big !== undefined && c !== undefined);
  const ranges = [
    { file: big, firstChunk: 2, chunkCount: 3 },
    { file: c, firstChunk: 0, chunkCount: 1 },
  ];
  await store.prefetch(digestOf(image), { ranges });
  assert.deepEqual(
    new Set(source.asked),
    new Set([...image.hashes.slice(2, 5), image.hashes[12] ?? '']),
  );
});
