import assert from 'node:assert/strict';
import { cp, readFile, readdir, rm, stat, truncate } from 'node:fs/promises';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import { Store } from '../src/engine/store.ts';
import { exportFolder } from '../src/offline/export-folder.ts';
import { readHeader } from '../src/offline/folder-files.ts';
import { repairFolder } from '../src/offline/repair-folder.ts';
import { verifyFolder } from '../src/offline/verify-folder.ts';
import { get, openTicking, put, remove, TestFolder } from './support/sample-folder.ts';

// The manifest is lost, and a compaction had left old and new files side by side.

interface Compacted {
  /** Segment files from before, and those that replaced them; others are in both. */
  readonly old: readonly string[];
  readonly made: readonly string[];
}

/** `before` and `after` hold the same store; `both` has the files of both and no manifest. */
async function makeBoth(place: TestFolder): Promise<Compacted> {
  const store = await openTicking(place.at('before'));
  const { default: own } = store.namespaces;
  const log = store.createNamespace('log', 'seq');
  const gone = store.createNamespace('gone', 'user');
  const random = seededRandom(11);
  for (let i = 0; i < 40; i++) {
    const key = `key-${random.int(0, 12)}`;
    if (random.int(0, 5) === 0) await remove(store, own, key);
    else await put(store, own, key, `value ${i} `.padEnd(60_000, 'v'));
    await put(store, gone, `k${i}`, 'nobody sees this'.padEnd(9_000, 'g'));
    const id = Buffer.alloc(8);
    id.writeUInt32LE(log.nextId++);
    await put(store, log, id, `line ${i}`);
    store.log.turn();
  }
  store.removeNamespace(gone);
  await store.log.flush();
  await store.close();
  await cp(place.at('before'), place.at('after'), { recursive: true });
  const compacting = await Store.open({ folder: place.at('after'), segmentBytes: 1024 * 1024 });
  await compacting.maintenance.compactAll();
  await compacting.close();
  const before = await segments(place.at('before'));
  const after = await segments(place.at('after'));
  await cp(place.at('before'), place.at('both'), { recursive: true });
  await cp(place.at('after'), place.at('both'), { recursive: true });
  await rm(place.at('both', 'manifest'));
  return {
    old: before.filter((name) => !after.includes(name)),
    made: after.filter((name) => !before.includes(name)),
  };
}

async function segments(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith('.log')).sort();
}

test('a finished compaction counts, whether its old files are all left or only some', async () => {
  await using place = await TestFolder.make();
  const { old, made } = await makeBoth(place);
  assert.ok(old.length >= 2 && made.length >= 1, `${old.join()} became ${made.join()}`);
  for (let left = 0; left <= old.length; left++) {
    await rm(place.at('now'), { recursive: true, force: true });
    await cp(place.at('both'), place.at('now'), { recursive: true });
    for (const name of old.slice(left)) await rm(place.at('now', name));
    await repairFolder(place.at('now'), { acceptLoss: true });
    assert.deepEqual((await verifyFolder(place.at('now'))).findings, []);
    assert.deepEqual(await content(place, 'now'), await content(place, 'after'), `${left} left`);
  }
});

test('a compaction that was not finished does not count', async () => {
  await using place = await TestFolder.make();
  const { made } = await makeBoth(place);
  const wanted = await content(place, 'before');
  for (const name of made) {
    const { size } = await stat(place.at('both', name));
    for (const length of [0, 64, Math.floor(size / 2) & ~7, size - 8]) {
      await rm(place.at('now'), { recursive: true, force: true });
      await cp(place.at('both'), place.at('now'), { recursive: true });
      await truncate(place.at('now', name), length);
      await rm(place.at('now', name.replace('.log', '.index')));
      await repairFolder(place.at('now'));
      assert.deepEqual(await content(place, 'now'), wanted, `${name} cut to ${length}`);
    }
  }
});

test('a compaction is taken back when what superseded its dropped records never got to disk', async () => {
  await using place = await TestFolder.make();
  const folder = place.at('before');
  const store = await openTicking(folder);
  const { default: own } = store.namespaces;
  for (let i = 0; i < 24; i++) await put(store, own, `key-${i}`, 'first'.padEnd(60_000, '.'));
  await store.log.flush();
  await store.close();
  await cp(folder, place.at('both'), { recursive: true });
  const again = await Store.open({ folder, segmentBytes: 1024 * 1024 });
  for (let i = 0; i < 12; i++) await put(again, again.namespaces.default, `key-${i}`, 'second');
  await again.maintenance.compactAll();
  await again.close();
  // Its output is there, the log it was decided upon is not.
  const known = await segments(place.at('both'));
  const made = (await segments(folder)).filter((name) => {
    return !known.includes(name) && (readHeader(`${folder}/${name}`)?.firstSequence ?? 99) < 24;
  });
  assert.ok(made.length > 0);
  for (const name of made) await cp(`${folder}/${name}`, place.at('both', name));
  await rm(place.at('both', 'manifest'));
  await repairFolder(place.at('both'));
  const repaired = await Store.open({ folder: place.at('both') });
  for (let i = 0; i < 24; i++) {
    assert.equal((await get(repaired, 'default', `key-${i}`))?.slice(0, 5), 'first', `key-${i}`);
  }
  await repaired.close();
});

test('old and new files that both lack something are not guessed about', async () => {
  await using place = await TestFolder.make();
  const folder = place.at('both');
  const store = await openTicking(folder);
  const { default: own } = store.namespaces;
  for (let i = 0; i < 40; i++) await put(store, own, `key-${i}`, 'first'.padEnd(60_000, '.'));
  for (let i = 0; i < 40; i += 3) await put(store, own, `key-${i}`, 'second');
  await store.log.flush();
  await store.close();
  await cp(folder, place.at('old'), { recursive: true });
  const compacting = await Store.open({ folder, segmentBytes: 1024 * 1024 });
  await compacting.maintenance.compactAll();
  await compacting.close();
  const known = await segments(place.at('old'));
  const made = (await segments(folder)).filter((name) => !known.includes(name));
  // Of the old files only the last is there, of the new ones the last is cut.
  for (const name of known.slice(1)) await cp(place.at('old', name), `${folder}/${name}`);
  const byFirst = made.map(
    (name) => [readHeader(`${folder}/${name}`)?.firstSequence ?? 0, name] as const,
  );
  const [, cut = ''] = byFirst.sort(([a], [b]) => a - b)[1] ?? [];
  await truncate(`${folder}/${cut}`, (await stat(`${folder}/${cut}`)).size - 8);
  await rm(`${folder}/manifest`);
  const before = await segments(place.at('both'));
  await assert.rejects(repairFolder(place.at('both'), { acceptLoss: true }), {
    code: 'ZDB_REPAIR_UNDECIDED',
    hint: 'bring back files that are missing, or move those that are wrong out of the folder',
  });
  assert.deepEqual(await segments(place.at('both')), before);
});

test('a segment that may be missing is asked about, unless a checkpoint proves that none is', async () => {
  await using place = await TestFolder.make();
  const folder = place.at('a');
  const store = await openTicking(folder);
  const { default: own } = store.namespaces;
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 15; i++)
      await put(store, own, `key-${i}`, String(round).padEnd(99_000, '.'));
    await store.log.flush();
  }
  await store.maintenance.compactAll();
  await store.close();
  await cp(folder, place.at('b'), { recursive: true });
  const proving = await Store.open({ folder: place.at('b'), segmentBytes: 1024 * 1024 });
  await proving.maintenance.checkpoint();
  await proving.close();
  await rm(`${folder}/manifest`);
  await rm(place.at('b', 'manifest'));
  await assert.rejects(repairFolder(folder), { code: 'ZDB_REPAIR_UNDECIDED' });
  await repairFolder(folder, { acceptLoss: true });
  await repairFolder(place.at('b'));
  for (const name of ['a', 'b']) {
    const repaired = await Store.open({ folder: place.at(name) });
    for (let i = 0; i < 15; i++) {
      assert.equal((await get(repaired, 'default', `key-${i}`))?.slice(0, 1), '2');
    }
    await repaired.close();
  }
});

test('a segment of which only a piece of its header is left is asked about when the manifest is lost', async () => {
  await using place = await TestFolder.make();
  const folder = place.at('a');
  const store = await openTicking(folder);
  const { default: own } = store.namespaces;
  await put(store, own, 'stays', 'here');
  await store.log.flush();
  store.log.rotate();
  await put(store, own, 'goes', 'away');
  await store.log.flush();
  await store.close();
  const files = (await readdir(folder)).filter((name) => name.endsWith('.log')).toSorted();
  await truncate(`${folder}/${files.at(-1) ?? ''}`, 33);
  await rm(`${folder}/manifest`);
  await assert.rejects(repairFolder(folder), { code: 'ZDB_REPAIR_LOSS' });
  const { losses } = await repairFolder(folder, { acceptLoss: true });
  assert.equal(losses.length, 1);
  assert.deepEqual((await repairFolder(folder)).actions, []);
  const repaired = await Store.open({ folder });
  assert.equal(await get(repaired, 'default', 'stays'), 'here');
  await repaired.close();
});

/** Namespaces, keys, and what tells newest values apart. */
async function content(place: TestFolder, name: string): Promise<string[]> {
  await rm(place.at('dump'), { force: true });
  await exportFolder(place.at(name), place.at('dump'), { history: false });
  const lines = (await readFile(place.at('dump'), 'utf8')).split('\n').slice(1, -2);
  return lines.map((line) => {
    const { namespace, seq, ns, key } = JSON.parse(line) as Record<string, unknown>;
    if (namespace !== undefined) return /"name":"\w+"/.exec(line)?.[0] ?? '';
    return `${seq as number} ${ns as number} ${key as string} ${line.length}`;
  });
}
