import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { errorCode, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { FlistRepository } from '../src/store/flist-repository.ts';
import { ObjectStore } from '../src/store/object-store.ts';
import { unmount } from '../src/sys/mounts.ts';
import { runProgram } from '../src/sys/run-program.ts';
import { imageOf } from './store-images.ts';
import { digestOf, MemorySource, sourcesOf } from './store-sources.ts';

/** A disk of a few MiB. */
async function smallDisk(sizeBytes: number): Promise<AsyncDisposable & { path: string }> {
  const folder = await tempFolder('flist-disk');
  await runProgram('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', folder.path]);
  return {
    path: folder.path,
    async [Symbol.asyncDispose]() {
      await unmount(folder.path);
      await folder[Symbol.asyncDispose]();
    },
  };
}

test('a store on a full disk says so, keeps no halves, and still reads', async () => {
  await using disk = await smallDisk(4_000_000);
  const files = Array.from({ length: 60 }, (_, at) => [`f${at}`, randomBytes(100_000)] as const);
  const image = imageOf(Object.fromEntries(files));
  const sources = sourcesOf(new MemorySource(image.chunks));
  await using store = await ObjectStore.open({ folder: disk.path, maxBytes: 1e9, sources });
  await store.addFlist(digestOf(image), image.flist);
  store.pin('mount', digestOf(image));
  const codes = new Set<string | undefined>();
  for (const [name] of files) {
    const outcome = store.need(image.idOf(name), 0, 1);
    codes.add(await outcome.then(() => 'kept', errorCode));
  }
  assert.deepEqual(codes, new Set(['kept', 'FLIST_DISK_FULL']));
  for (const [name, content] of files) {
    assert.deepEqual(await store.readChunk(image.idOf(name), 0), content);
  }
  const isEmpty = async (): Promise<boolean> =>
    (await readdir(join(disk.path, 'temp'))).length === 0;
  await waitFor(isEmpty, { timeoutMs: 60_000, what: 'the end of the last try to keep one' });
  const whole = files.filter(([name]) => store.hasObject(image.idOf(name)));
  const { readObjects, wholeObjects } = await store.verifyObjectsOf(digestOf(image));
  assert.deepEqual([wholeObjects, readObjects], [whole.length, 0]);
  store.unpin('mount');
  const [last] = files.at(-1) ?? [''];
  await store.need(image.idOf(last), 0, 1);
  assert.ok(store.hasObject(image.idOf(last)), 'what no mount needs makes room');
});

test('a repository on a full disk keeps what it had, and no halves', async () => {
  await using disk = await smallDisk(1_000_000);
  await using repository = await FlistRepository.open({ folder: disk.path });
  const kept = await repository.put(randomBytes(1_000));
  await repository.sync();
  await writeFile(join(disk.path, 'filler'), Buffer.alloc(800_000));
  await assert.rejects(repository.put(randomBytes(400_000)), { code: 'ENOSPC' });
  assert.deepEqual(await readdir(join(disk.path, 'temp')), []);
  assert.equal((await repository.hasChunks([kept])).size, 1);
});
