import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workloadIdOf } from '@commongrid/model';
import { ControllerWorld, runs } from './support/controller-world.ts';

test('a former namespace is given up after a day of health and its repair, never before', async () => {
  await using world = new ControllerWorld({ own: 6 });
  const zdb = { size: '1GiB', password: 'admin' };
  const apart = { distinctNodes: true };
  const id = await world.contract({
    secrets: { admin: 'x' },
    roles: [{ name: 'shards', shards: '2+2', data: 'dispersed', zdb, spread: apart }],
  });
  world.start();
  await world.until('it runs', () => runs(world, id));
  const [node] = world.placesOf(id, 'shards');
  assert.ok(node !== undefined);
  world.lose(node);
  await world.until('it is moved', () => runs(world, id));
  await world.pass(2_000);
  // Repaired at once: the day still counts.
  const workload = workloadIdOf(id, 'shards', 0);
  world.elsewhere.add(workload);
  await world.leap(23 * 3_600_000);
  await world.pass(2_000);
  assert.deepEqual(world.accepted('grid.tombstone.1'), []);
  // Not so any more, as where a store was brought back: the day alone does not do.
  world.elsewhere.delete(workload);
  await world.leap(24 * 3_600_000);
  await world.pass(2_000);
  assert.deepEqual(world.accepted('grid.tombstone.1'), []);
  world.elsewhere.add(workload);
  await world.until('it is given up', () => world.accepted('grid.tombstone.1').length > 0);
  assert.deepEqual(world.accepted('grid.tombstone.1'), [
    { workload, revision: 1, reason: 'replaced' },
  ]);
});

test('shards leave a node that drains once those before them are made again', async () => {
  await using world = new ControllerWorld({ own: 6 });
  const zdb = { size: '1GiB', password: 'admin' };
  const roles = [{ name: 'shards', shards: '1+1', data: 'dispersed', zdb }];
  const id = await world.contract({ secrets: { admin: 'x' }, roles });
  world.start();
  await world.until('it runs', () => runs(world, id));
  const [node] = world.placesOf(id, 'shards');
  assert.ok(node !== undefined);
  const there = (): number => world.placesOf(id, 'shards').filter((one) => one === node).length;
  const before = there();
  world.isBeingRepaired = true;
  world.drain(node);
  await world.until('it waits', () => world.codes(id).includes('HEAL_DRAIN'));
  await world.pass(20_000);
  assert.equal(there(), before);
  world.isBeingRepaired = false;
  await world.until('it leaves', () => there() === 0);
});
