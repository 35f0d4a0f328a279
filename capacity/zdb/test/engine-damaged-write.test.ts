import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';
import { isGridError } from '@commongrid/base';
import { Store } from '../src/engine/store.ts';

for (const size of [500, 40_000]) {
  test(`a damaged record of ${size} bytes can be replaced and deleted`, async () => {
    await using folder = await tempFolder('zdb-damaged');
    const store = await Store.open({ folder: folder.path });
    const bytes = Buffer.alloc(3 + size, 'v');
    bytes.write('key');
    const other = Buffer.from('otherfine');
    const namespace = store.namespaces.default;
    assert.equal(store.set(namespace, bytes, 0, 3, 3, size, 1), 'written');
    await store.log.flush();
    assert.equal(store.set(namespace, other, 0, 5, 5, 4, 1), 'written');
    await store.log.flush();
    const path = store.table.segments[0]?.path ?? '';
    const file = fs.readFileSync(path);
    const at = file.lastIndexOf('vvvv');
    const fd = fs.openSync(path, 'r+');
    fs.writeSync(fd, Buffer.from('X'), 0, 1, at);
    fs.closeSync(fd);
    // What was just written would be read from memory.
    store.reader.dropSegment(store.table.segments[0]?.slot ?? 0);

    const read = (): Promise<string> => {
      return store.retrying(() => store.lookup(namespace, bytes, 0, 3));
    };
    await assert.rejects(read(), (error) => isGridError(error, 'ZDB_READ_FAILED'));
    bytes.fill('w', 3);
    const write = (): string => store.set(namespace, bytes, 0, 3, 3, size, 2);
    assert.equal(await store.retrying(write), 'written');
    await store.log.flush();
    assert.equal(await read(), 'live');
    const live = namespace.index.liveCount;

    await store.close();
    await using again = await reopened(folder.path);
    const found = await again.store.retrying(() => {
      return again.store.lookup(again.store.namespaces.default, bytes, 0, 3);
    });
    assert.equal(found, 'live');
    assert.equal(again.store.namespaces.default.index.liveCount, live);
    const gone = await again.store.retrying(() => {
      return again.store.delete(again.store.namespaces.default, bytes, 0, 3, 3);
    });
    assert.equal(gone, 'deleted');
  });
}

async function reopened(path: string): Promise<{ store: Store } & AsyncDisposable> {
  const store = await Store.open({ folder: path });
  return { store, [Symbol.asyncDispose]: () => store.close() };
}
