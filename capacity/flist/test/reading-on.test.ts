import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';

import { silentLogger, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { StoreFetcher } from '../src/mount/store-fetcher.ts';
import { ObjectStore } from '../src/store/object-store.ts';
import { chunkBytes } from '../src/tree/inode.ts';
import { imageOf } from './store-images.ts';
import { digestOf, MemorySource, sourcesOf } from './store-sources.ts';

const deadline = { timeoutMs: 60_000 };
const content = randomBytes(40 * chunkBytes + 7);
const image = imageOf({ long: content });
const id = image.idOf('long');

async function fetcherOf(folder: string, maxBytes: number) {
  await using stack = new AsyncDisposableStack();
  const source = new MemorySource(image.chunks);
  const sources = sourcesOf(source);
  const store = stack.use(await ObjectStore.open({ folder, maxBytes, sources }));
  await store.addFlist(digestOf(image), image.flist);
  store.pin('mount', digestOf(image));
  const fetcher = stack.use(new StoreFetcher(store, silentLogger));
  const read = async (offset: number, length: number): Promise<Buffer> => {
    const range = { id, offset, length: Math.min(length, content.length - offset) };
    return Buffer.concat(await fetcher.read(range, new AbortController().signal));
  };
  const owned = stack.move();
  return { source, store, read, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

test('ahead of who reads from front to back the next chunks come, and none twice', async () => {
  await using folder = await tempFolder('flist');
  await using under = await fetcherOf(folder.path, 100 * 2 ** 20);
  for (let offset = 0; offset < 8 * chunkBytes; offset += 2 * chunkBytes) {
    const bytes = await under.read(offset, 2 * chunkBytes);
    assert.ok(bytes.equals(content.subarray(offset, offset + 2 * chunkBytes)));
  }
  const isThere = (): boolean => under.store.whereIs(id, 15) !== undefined;
  await waitFor(isThere, { ...deadline, what: 'a chunk that nobody read' });
  assert.equal(under.store.whereIs(id, 39), undefined);
  // Odd pieces, across the borders of chunks.
  for (let offset = 0; offset < content.length; offset += 777_777) {
    const bytes = await under.read(offset, 777_777);
    assert.ok(bytes.equals(content.subarray(offset, offset + 777_777)));
  }
  const isWhole = (): boolean => under.store.hasObject(id);
  await waitFor(isWhole, { ...deadline, what: 'the whole file' });
  assert.equal(under.source.asked.length, new Set(under.source.asked).size);
});

test('who reads where there is no room gets what is asked for, and nothing more', async () => {
  await using folder = await tempFolder('flist');
  await using under = await fetcherOf(folder.path, 2 * chunkBytes);
  for (let chunk = 0; chunk < 40; chunk++) {
    const bytes = await under.read(chunk * chunkBytes, chunkBytes);
    assert.ok(bytes.equals(content.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes)));
  }
  // What was fetched ahead once and could not be kept.
  assert.ok(under.source.asked.length <= 40 + 20, String(under.source.asked.length));
});
