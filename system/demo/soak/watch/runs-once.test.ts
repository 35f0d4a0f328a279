import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import type { ContractRole } from '@commongrid/model';
import { Scene } from '@commongrid/model/testing';
import type { SceneOptions } from '@commongrid/model/testing';
import { shortIdOf } from '@commongrid/node';

import { misplaced, placedIn, requireOnce, singlesIn } from './runs-once.ts';
import type { SeenMachine } from './runs-once.ts';

/** A machine whose containers are as a test wants them at each look; the last look goes on. */
function machine(name: string, ...looks: readonly Readonly<Record<string, readonly string[]>>[]) {
  let at = 0;
  const one: SeenMachine = {
    name,
    containers: async () => new Map(Object.entries(looks[Math.min(at++, looks.length - 1)] ?? {})),
  };
  return one;
}

const container = { kind: 'container' } as ContractRole['workload'];

/** One replica of a role on a machine of ada. */
function placed(role: SceneOptions['role'] = {}) {
  const scene = new Scene({ role }).begin();
  const [a, b] = scene.nodes;
  assert.equal(scene.run(1, [a]), undefined);
  const [workload] = [...scene.grid.fold.objects('grid.slice.1')].map((one) => one.workload);
  assert.ok(workload);
  return { fold: scene.grid.fold, workload, key: shortIdOf(workload), a, b };
}

suite('singlesIn', () => {
  test('gives what has data of its own, and what stops when it is cut off', () => {
    assert.equal(singlesIn(placed({ data: 'none', onIsolation: 'keep' }).fold).size, 0);
    for (const role of [
      { data: 'local', onIsolation: 'keep' },
      { data: 'none', onIsolation: 'stop' },
    ] as const) {
      const { fold, key, workload } = placed(role);
      assert.deepEqual([...singlesIn(fold)], [[key, workload]]);
    }
  });
});

suite('requireOnce', () => {
  const { workload, key } = placed();
  const singles = new Map([[key, workload]]);

  test('counts what runs once', async () => {
    const machines = [machine('be-1', { [key]: ['7'] }), machine('be-2', { other: ['8'] })];
    assert.equal(await requireOnce(machines, singles), 1);
  });

  test('finds what runs on two machines', async () => {
    const machines = [machine('be-1', { [key]: ['7', '8'] }), machine('be-2', { [key]: ['9'] })];
    await assert.rejects(requireOnce(machines, singles), /runs on be-1 and be-2/);
  });

  test('takes one that ends while the other is looked at for one that moves', async () => {
    const machines = [machine('be-1', { [key]: ['7'] }, {}), machine('be-2', { [key]: ['9'] })];
    assert.equal(await requireOnce(machines, singles), 1);
  });

  test('takes one that begins anew meanwhile for none that was there all the time', async () => {
    const machines = [
      machine('be-1', { [key]: ['7'] }, { [key]: ['17'] }),
      machine('be-2', { [key]: ['9'] }),
    ];
    assert.equal(await requireOnce(machines, singles), 1);
  });

  test('lets others run on as many machines as they like', async () => {
    const machines = [machine('be-1', { other: ['7'] }), machine('be-2', { other: ['9'] })];
    assert.equal(await requireOnce(machines, singles), 0);
  });
});

suite('placedIn', () => {
  test('gives containers, and no Zero-DBs', () => {
    const { fold, workload, a } = placed();
    assert.deepEqual(placedIn(fold), []);
    const slice: typeof fold.slice = (hash) => {
      const one = fold.slice(hash);
      if (one === undefined) return undefined;
      const role = { ...one.opening.role, workload: container };
      return { ...one, opening: { ...one.opening, role } };
    };
    const objects: typeof fold.objects = (url) => fold.objects(url);
    assert.deepEqual(placedIn({ objects, slice }), [{ workload, node: a }]);
  });
});

suite('misplaced', () => {
  test('gives what runs nowhere, elsewhere, or twice', async () => {
    const { key, workload, a, b } = placed();
    const all = [{ workload, node: a }];
    const running = { [key]: ['7'] };
    const cases = [
      [running, {}, 0],
      [{}, {}, 1],
      [{}, running, 1],
      [running, running, 1],
    ] as const;
    for (const [here, there, count] of cases) {
      const machines = new Map([
        [a as string, machine('be-1', here)],
        [b as string, machine('be-2', there)],
      ]);
      assert.equal((await misplaced(machines, all)).length, count);
    }
  });
});
