import assert from 'node:assert/strict';
import { cp, readdir, rm, stat, truncate } from 'node:fs/promises';
import { test } from 'node:test';
import { isGridError, type Random, seededRandom } from '@commongrid/base';
import { Store } from '../src/engine/store.ts';
import { repairFolder } from '../src/offline/repair-folder.ts';
import { verifyFolder } from '../src/offline/verify-folder.ts';
import { testSeed } from './support/engine-crash.ts';
import { flipByte, openTicking, put, remove, TestFolder } from './support/sample-folder.ts';

const isLong = process.env['GRID_TEST_LONG'] === '1';

const KEYS = Array.from({ length: 15 }, (_, i) => `k${i}`);

/** Overwrites and deletions over compacted, sealed and open segments, with a checkpoint. */
async function fill(folder: string, random: Random): Promise<void> {
  const store = await openTicking(folder);
  const { default: own } = store.namespaces;
  const all = store.createNamespace('all', 'user');
  store.putSettings({ ...all.settings, history: { keep: 'all', limit: 0 } });
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 40; i++) {
      const namespace = random.int(0, 2) === 0 ? own : all;
      const key = KEYS[random.int(0, KEYS.length)] ?? '';
      const value = `${round} ${i} `.padEnd(random.int(10, 3000), 'x');
      if (random.int(0, 5) === 0) await remove(store, namespace, key);
      else await put(store, namespace, key, value);
      if (random.int(0, 3) === 0) store.log.turn();
    }
    await store.log.flush();
    if (round === 1) await store.maintenance.compactAll();
    if (round === 2) {
      store.log.rotate();
      store.maintenance.kick();
      await put(store, own, 'rotates', 'now');
      await store.maintenance.checkpoint();
    }
  }
  await store.close();
}

async function content(folder: string): Promise<Record<string, string>> {
  const store = await Store.open({ folder });
  const found: Record<string, string> = {};
  for (const namespace of store.namespaces.list()) {
    for (const name of KEYS) {
      const key = Buffer.from(name);
      const state = await store.retrying(() => store.lookup(namespace, key, 0, key.length));
      if (state === 'live') found[`${namespace.settings.name}/${name}`] = store.value().toString();
    }
  }
  await store.close();
  return found;
}

/** Removes, cuts or changes up to three files; says what it did. */
async function damage(folder: string, random: Random): Promise<string> {
  const done: string[] = [];
  for (let i = random.int(1, 4); i > 0; i--) {
    const names = (await readdir(folder)).filter((name) => name !== 'LOCK');
    const name = names[random.int(0, names.length)] ?? '';
    const file = `${folder}/${name}`;
    const { size } = await stat(file);
    const at = random.int(0, Math.max(1, size));
    const kind = size === 0 ? 0 : random.int(0, 10);
    if (kind === 0) await rm(file);
    else if (kind < 3) await truncate(file, at);
    else await flipByte(file, at);
    done.push(`${kind === 0 ? 'removed' : kind < 3 ? 'cut' : 'changed'} ${name} at ${at}`);
  }
  return done.join(', ');
}

test('repair after any damage gives a sound folder, and names what is lost', async () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  await using place = await TestFolder.make();
  await fill(place.at('whole'), random);
  const whole = await content(place.at('whole'));
  for (let round = 0; round < (isLong ? 300 : 12); round++) {
    const folder = place.at(`round-${round}`);
    await cp(place.at('whole'), folder, { recursive: true });
    const what = `GRID_TEST_SEED=${seed} round ${round}: ${await damage(folder, random)}`;
    try {
      const { losses } = await repairFolder(folder, { acceptLoss: true });
      const { findings } = await verifyFolder(folder);
      assert.deepEqual(
        findings.filter(({ isDamage }) => isDamage),
        [],
        what,
      );
      const now = await content(folder);
      if (losses.length === 0) assert.deepEqual(now, whole, what);
      assert.deepEqual((await repairFolder(folder)).actions, [], what);
    } catch (error) {
      if (!isGridError(error, 'ZDB_REPAIR_UNDECIDED')) throw new Error(what, { cause: error });
    }
    await rm(folder, { recursive: true });
  }
});
