import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { PowerLossFiles } from '@commongrid/files/testing';
import { findLoss, StoreLoad } from '../src/testing/index.ts';
import {
  crashPoints,
  faultsAfterCrash,
  openStore,
  recordRun,
  reproducible,
  type RunOptions,
  testSeed,
} from './support/engine-crash.ts';

const isLong = process.env['GRID_TEST_LONG'] === '1';

interface Plan {
  readonly name: string;
  readonly run: Omit<RunOptions, 'root' | 'random'>;
  readonly points: number;
}

const PLANS: Plan[] = [
  { name: 'synced always', run: { turns: 120 }, points: 50 },
  { name: 'synced in the thread pool', run: { turns: 60, slowSyncMs: 20 }, points: 25 },
  { name: 'synced every second', run: { turns: 80, durability: 'everysec' }, points: 25 },
  { name: 'killed and started again', run: { turns: 30, kills: 4 }, points: 60 },
  {
    name: 'killed and started again, synced every second',
    run: { turns: 40, kills: 4, durability: 'everysec' },
    points: 40,
  },
  { name: 'refused by its disk', run: { turns: 25, refusals: 3 }, points: 40 },
  {
    name: 'refused by its disk, synced every second',
    run: { turns: 25, refusals: 3, durability: 'everysec' },
    points: 40,
  },
  { name: 'compacted', run: { turns: 150, maintain: true }, points: 70 },
  {
    name: 'compacted, synced every second',
    run: { turns: 150, maintain: true, durability: 'everysec' },
    points: 50,
  },
  {
    name: 'compacted and killed, synced every second',
    run: { turns: 60, maintain: true, kills: 4, durability: 'everysec' },
    points: 80,
  },
];

for (const plan of PLANS) {
  test(`store ${plan.name} keeps what it acknowledged when the power goes`, async () => {
    const seed = testSeed();
    await using temp = await tempFolder('power-loss');
    const root = path.join(temp.path, 'live');
    fs.mkdirSync(root);
    const random = seededRandom(`${seed}/${plan.name}`);
    const disk = await recordRun({ ...plan.run, root, random });
    const points = isLong ? plan.points * 20 : plan.points;
    for (const callIndex of crashPoints(disk, random, points)) {
      const target = fs.mkdtempSync(path.join(temp.path, 'image-'));
      const own = seededRandom(`${seed}/${plan.name}/${callIndex}`);
      const again = own.int(0, 3) === 0;
      const faults = await faultsAfterCrash({ disk, callIndex, random: own, target, again }).catch(
        (error: unknown) => [String((error as Error).stack)],
      );
      assert.deepEqual(faults, [], reproducible(seed, callIndex, faults));
      fs.rmSync(target, { recursive: true });
    }
  });
}

test('store that died while it named a new segment loses nothing that it writes there', async () => {
  const seed = testSeed();
  await using temp = await tempFolder('power-loss');
  const root = path.join(temp.path, 'live');
  fs.mkdirSync(root);
  const disk = new PowerLossFiles({ root });
  const first = await openStore(root, { files: disk.files });
  const load = new StoreLoad({ store: first, random: seededRandom(seed) });
  await load.put(first.namespaces.default, 'before', Buffer.from('value'));
  await first.log.flush();
  first.log.rotate();
  // The manifest has got its name, and that is not on disk.
  disk.killAfterNext('rename');
  await load.put(first.namespaces.default, 'lost', Buffer.from('value'));
  first.log.turn();
  assert.notEqual(first.log.failure, undefined);
  await first.close();
  disk.revive();

  const second = await openStore(root, { files: disk.files });
  const journal = load.journal.upTo(second.log.lastSequence);
  const more = new StoreLoad({ store: second, random: seededRandom(seed), journal });
  await more.put(second.namespaces.default, 'after', Buffer.from('value'));
  await second.log.flush();
  const acknowledged = second.log.durableSequence;
  const calls = disk.trace.length;
  await second.close();
  for (let i = 0; i < 20; i++) {
    const target = fs.mkdtempSync(path.join(temp.path, 'image-'));
    disk.crashImage(calls, seededRandom(`${seed}/${i}`), target);
    const store = await openStore(target);
    const faults = await findLoss(store, more.journal, acknowledged);
    await store.close();
    assert.deepEqual(faults, [], reproducible(seed, i, faults));
  }
});

test('store whose disk ignores syncs loses what it acknowledged, and the check says so', async () => {
  const seed = testSeed();
  await using temp = await tempFolder('power-loss');
  const root = path.join(temp.path, 'live');
  fs.mkdirSync(root);
  const disk = await recordRun({ turns: 60, root, random: seededRandom(`${seed}/ignored`) });
  let failed = 0;
  for (let i = 0; i < 10; i++) {
    const target = fs.mkdtempSync(path.join(temp.path, 'image-'));
    const random = seededRandom(`${seed}/ignored/${i}`);
    const callIndex = disk.trace.length - i;
    const point = { disk, callIndex, random, target, ignoreSyncs: true };
    const faults = await faultsAfterCrash(point).catch((error: unknown) => [String(error)]);
    if (faults.length > 0) failed++;
    fs.rmSync(target, { recursive: true });
  }
  assert.ok(failed > 0, `no fault was found in 10 images: GRID_TEST_SEED=${seed}`);
});
