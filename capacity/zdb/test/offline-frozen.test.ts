import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Store } from '../src/engine/store.ts';
import { FrozenFolder } from '../src/offline/frozen-folder.ts';
import { get, openTicking, put, TestFolder } from './support/sample-folder.ts';

const value = 'x'.repeat(50_000);
const keysBefore = 200;

test('a folder is frozen as it is in one moment while a store writes, seals and compacts', async () => {
  await using place = await TestFolder.make();
  const store = await openTicking(place.at('a'));
  const { default: own } = store.namespaces;
  for (let n = 0; n < keysBefore; n++) await put(store, own, `key-${n}`, `${n} ${value}`);
  await store.log.flush();
  await using frozen = await FrozenFolder.open(place.at('a'));
  assert.ok(frozen !== undefined);
  // Enough for several segments more; what was frozen is removed under its readers.
  for (let n = 0; n < keysBefore; n++) await put(store, own, `key-${n}`, `later ${n} ${value}`);
  await store.close();
  await rm(place.at('a'), { recursive: true });
  await mkdir(place.at('b'));
  for (const { name, read } of frozen.files) {
    const pieces: Buffer[] = [];
    for await (const piece of read(100_000)) pieces.push(piece);
    await writeFile(place.at('b', name), Buffer.concat(pieces));
  }
  const copy = await Store.open({ folder: place.at('b') });
  for (let n = 0; n < keysBefore; n++) {
    // Not compared by `equal`: what differs would be printed whole.
    assert.ok((await get(copy, 'default', `key-${n}`)) === `${n} ${value}`, `key-${n}`);
  }
  await copy.close();
});

test('freezing a folder without a store gives nothing, one that lacks a segment fails with a code', async () => {
  await using place = await TestFolder.make();
  await mkdir(place.at('empty'));
  assert.equal(await FrozenFolder.open(place.at('empty')), undefined);
  const store = await openTicking(place.at('a'));
  await put(store, store.namespaces.default, 'key', 'value');
  await store.close();
  await rm(place.at('a', 'segment-000000000001.log'));
  await assert.rejects(FrozenFolder.open(place.at('a')), { code: 'ZDB_FOLDER_CHANGES' });
});
