import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import {
  crashPoints,
  faultsAfterCrash,
  recordRun,
  reproducible,
  type RunOptions,
  testSeed,
} from './engine-crash.ts';

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
