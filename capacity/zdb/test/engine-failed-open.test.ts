import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { faultyFiles } from '@commongrid/files/testing';
import { StoreLoad } from '../src/testing/index.ts';
import { FOLDER, openStore } from './support/engine-crash.ts';

/** Files below a folder that this process holds open. */
function openBelow(root: string): string[] {
  return fs.readdirSync('/proc/self/fd').flatMap((fd) => {
    const link = `/proc/self/fd/${fd}`;
    // The list has the descriptor that it was read with, too.
    if (fs.lstatSync(link, { throwIfNoEntry: false }) === undefined) return [];
    const target = fs.readlinkSync(link);
    return target.startsWith(root) ? [target] : [];
  });
}

/** Several segments, a checkpoint, an end that was never acknowledged. Returns the last segment. */
async function makeFolder(root: string): Promise<string> {
  const store = await openStore(root);
  const load = new StoreLoad({ store, random: seededRandom(1), valueBytesMax: 2000 });
  load.begin();
  for (let segment = 0; segment < 3; segment++) {
    for (let turn = 0; turn < 4; turn++) await load.turn();
    store.log.rotate();
  }
  await load.put(store.namespaces.default, 'last', Buffer.from('value'));
  await store.log.flush();
  await store.maintenance.checkpoint();
  assert.ok(store.table.segments.length > 1);
  const last = store.table.last?.path ?? '';
  await store.close();
  fs.appendFileSync(last, Buffer.alloc(100, 7));
  return last;
}

/** Opens copies of a folder while the disk fails at one call after the other. */
async function failAtEveryCall(template: string, temp: string): Promise<number> {
  for (let failing = 0; ; failing++) {
    const root = path.join(temp, `round-${failing}`);
    fs.cpSync(template, root, { recursive: true });
    let calls = 0;
    let isOver = false;
    const files = faultyFiles(() => {
      return !isOver && calls++ === failing ? { code: 'EIO' } : undefined;
    });
    const opened = openStore(root, { files, onError: () => undefined });
    const store = await opened.catch(() => undefined);
    isOver = true;
    await store?.close().catch(() => undefined);
    assert.deepEqual(openBelow(root), [], `open failed at call ${failing}`);
    fs.rmSync(root, { recursive: true });
    if (store !== undefined && calls <= failing) return failing;
  }
}

test('store leaves no file open when opening it fails at any call', async () => {
  await using temp = await tempFolder('failed-open');
  const template = path.join(temp.path, 'template');
  await makeFolder(template);
  assert.ok((await failAtEveryCall(template, temp.path)) > 20);
  const empty = path.join(temp.path, 'empty');
  fs.mkdirSync(path.join(empty, FOLDER), { recursive: true });
  assert.ok((await failAtEveryCall(empty, temp.path)) > 8);
});

test('store leaves no file open when a segment is missing', async () => {
  await using temp = await tempFolder('failed-open');
  fs.unlinkSync(await makeFolder(temp.path));
  await assert.rejects(openStore(temp.path), { code: 'ZDB_SEGMENT_MISSING' });
  assert.deepEqual(openBelow(temp.path), []);
});
