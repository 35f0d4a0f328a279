import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { type Random, seededRandom, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import type { Namespace } from '../src/engine/namespace.ts';
import type { Store } from '../src/engine/store.ts';
import { eraseKey } from '../src/engine/upkeep/erasure.ts';
import { PowerLossFiles } from '@commongrid/files/testing';
import { untilFetched } from '../src/testing/index.ts';
import { FrameApplier } from '../src/replication/frame-applier.ts';
import { LogFeed } from '../src/replication/log-feed.ts';
import { FOLDER, openStore, testSeed } from './support/engine-crash.ts';

const KEY = 'person';
const SECRET = 'a secret that the law asks to forget';

function put(store: Store, namespace: Namespace, key: string, value: string): void {
  const bytes = Buffer.from(key + value);
  const { length } = key;
  const now = store.nowSeconds();
  assert.equal(store.set(namespace, bytes, 0, length, length, value.length, now), 'written');
}

/** Several segments; two hold the secret. */
async function tellSecrets(store: Store): Promise<void> {
  const { default: namespace } = store.namespaces;
  for (let segment = 0; segment < 2; segment++) {
    put(store, namespace, KEY, `${SECRET} ${segment}`);
    for (let i = 0; i < 20; i++) put(store, namespace, `other-${segment}-${i}`, 'stays');
    await store.log.flush();
    store.log.rotate();
  }
}

/** Names of files that hold the secret. */
function filesWithSecret(folder: string): string[] {
  return fs.readdirSync(folder).filter((name) => {
    return fs.readFileSync(path.join(folder, name)).includes(SECRET);
  });
}

async function valueOf(store: Store, key: string): Promise<string | undefined> {
  const bytes = Buffer.from(key);
  const { default: namespace } = store.namespaces;
  const found = await untilFetched(store, () => store.lookup(namespace, bytes, 0, bytes.length));
  return found === 'live' ? store.value().toString() : undefined;
}

/** Starts over what a disk may hold after a crash, and expects that the erasure is finished. */
async function expectErased(image: string, value: string | undefined, isReplica: boolean) {
  const store = await openStore(image, { isReplica });
  // Nothing that compaction drops may keep it from going on.
  await store.maintenance.compactAll();
  await waitFor(() => store.table.erasures?.length === 0, { timeoutMs: 60_000, what: 'the end' });
  assert.deepEqual(filesWithSecret(path.join(image, FOLDER)), []);
  assert.equal(await valueOf(store, KEY), value);
  assert.equal(await valueOf(store, 'other-0-7'), 'stays');
  await store.close();
  const again = await openStore(image, { isReplica });
  assert.deepEqual(again.table.erasures, [], 'it is not done once more');
  await again.close();
}

/** Lets the power go at every call that came after `from`. */
async function crashEverywhere(
  disk: PowerLossFiles,
  from: number,
  temp: string,
  random: Random,
  check: (image: string) => Promise<void>,
): Promise<void> {
  assert.ok(disk.trace.length > from + 20, 'an erasure has many steps');
  for (let call = from; call <= disk.trace.length; call++) {
    const image = fs.mkdtempSync(path.join(temp, 'image-'));
    disk.crashImage(call, random, image);
    await check(image);
    fs.rmSync(image, { recursive: true });
  }
}

test('store that loses power in the middle of an erasure finishes it when it is back', async () => {
  const random = seededRandom(testSeed());
  await using temp = await tempFolder('erasure');
  const root = path.join(temp.path, 'live');
  fs.mkdirSync(root);
  const disk = new PowerLossFiles({ root });
  const store = await openStore(root, { files: disk.files });
  const { default: namespace } = store.namespaces;
  await tellSecrets(store);
  let from = 0;
  const erased = eraseKey(store, namespace, Buffer.from(KEY));
  // The key is used again at once: to compaction the erasure's record is of no use any more.
  put(store, namespace, KEY, 'public');
  store.durableListeners.add(() => {
    if (from === 0) from = disk.trace.length;
  });
  assert.equal(await erased, 2);
  await store.close();
  assert.ok(from > 0);
  await crashEverywhere(disk, from, temp.path, random, (image) => {
    return expectErased(image, 'public', false);
  });
});

test('replica that loses power in the middle of an erasure finishes it without its master', async () => {
  const random = seededRandom(testSeed());
  await using temp = await tempFolder('erasure');
  const root = path.join(temp.path, 'live');
  fs.mkdirSync(root);
  const master = await openStore(path.join(temp.path, 'master'));
  const disk = new PowerLossFiles({ root });
  const { logId } = master.table;
  const replica = await openStore(root, { files: disk.files, isReplica: true, logId });
  const applier = new FrameApplier(replica, () => undefined);
  const feed = new LogFeed(master, 0);
  const follow = async (): Promise<void> => {
    const none = { compactedThrough: 0, deletionsDroppedThrough: 0 };
    for (let batch = await feed.next(); batch !== undefined; batch = await feed.next()) {
      await applier.apply({ ...batch, ...none });
    }
  };
  await tellSecrets(master);
  await follow();
  const asked = master.log.lastSequence + 1;
  await eraseKey(master, master.namespaces.default, Buffer.from(KEY));
  let from = 0;
  replica.durableListeners.add((sequence) => {
    if (from === 0 && sequence >= asked) from = disk.trace.length;
    if (replica.table.erasures?.length !== 0) assert.ok(applier.confirmed < asked);
  });
  await follow();
  assert.equal(applier.confirmed, asked);
  await replica.close();
  await master.close();
  assert.ok(from > 0);
  await crashEverywhere(disk, from, temp.path, random, (image) => {
    return expectErased(image, undefined, true);
  });
});

test('compaction keeps the record of an erasure that is not done, and drops it afterwards', async () => {
  await using temp = await tempFolder('erasure');
  const store = await openStore(temp.path);
  const { default: namespace } = store.namespaces;
  put(store, namespace, KEY, SECRET);
  // So much of this segment is alive that compaction leaves it alone.
  put(store, namespace, 'other-0-7', 'stays');
  put(store, namespace, 'large', 'v'.repeat(600_000));
  await store.log.flush();
  store.log.rotate();
  assert.equal(store.markErased(namespace, Buffer.from(KEY)), 'written');
  const erasure = store.log.lastSequence;
  for (let i = 0; i < 100; i++) put(store, namespace, KEY, `public ${i}`);
  await store.log.flush();
  store.log.rotate();
  put(store, namespace, 'next', 'value');
  await compactWhatIsDue(store);
  assert.equal(await store.recordAt(erasure + 1), undefined, 'nothing was compacted');
  assert.ok((await store.recordAt(erasure)) !== undefined);
  assert.equal(filesWithSecret(path.join(temp.path, FOLDER)).length, 1);
  // As if the process had died before it came to erase.
  await store.close();
  const again = await openStore(temp.path);
  await waitFor(() => again.table.erasures?.length === 0, { timeoutMs: 60_000, what: 'the end' });
  assert.deepEqual(filesWithSecret(path.join(temp.path, FOLDER)), []);
  await again.maintenance.compactAll();
  assert.equal(await again.recordAt(erasure), undefined);
  await again.close();
});

async function compactWhatIsDue(store: Store): Promise<void> {
  await store.log.flush();
  store.maintenance.kick();
  await store.maintenance.checkpoint();
}
