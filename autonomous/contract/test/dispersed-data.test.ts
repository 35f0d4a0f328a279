import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workloadIdOf } from '@commongrid/model';
import type { ContractId } from '@commongrid/model';
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

/** A contract that runs, with two shards to spare; nodes that take others' place are there. */
async function dispersed(world: ControllerWorld): Promise<ContractId> {
  const zdb = { size: '1GiB', password: 'admin' };
  const spread = { distinctNodes: true };
  const roles = [{ name: 'shards', shards: '2+2', data: 'dispersed', zdb, spread }];
  const heal = { maxPerHour: 100 };
  const id = await world.contract({ secrets: { admin: 'x' }, heal, roles });
  world.start();
  await world.until('it runs', () => runs(world, id));
  await world.pass(61_000);
  return id;
}

test('shards that are too many to be made again stay where they may come back', async () => {
  await using world = new ControllerWorld({ own: 12 });
  const id = await dispersed(world);
  const before = world.placesOf(id, 'shards');
  const [first, ...others] = before.slice(0, 3);
  assert.ok(first !== undefined);
  // Not all at the very same moment: each has its last heartbeat.
  for (const node of [first, ...others]) {
    world.lose(node);
    await world.pass(400);
  }
  await world.until('it is told', () => world.codes(id).includes('HEAL_SHARDS_AWAY'));
  await world.pass(60_000);
  assert.deepEqual(world.placesOf(id, 'shards'), before);
  world.find(first);
  await world.until('the others are moved', () => runs(world, id));
  assert.equal(world.placesOf(id, 'shards')[0], first);
  assert.deepEqual(world.codes(id), []);
});

test('shards that are gone for good are placed anew once the owner says so', async () => {
  await using world = new ControllerWorld({ own: 12 });
  const id = await dispersed(world);
  for (const node of world.placesOf(id, 'shards').slice(0, 3)) world.lose(node);
  await world.until('it is told', () => world.codes(id).includes('HEAL_SHARDS_AWAY'));
  assert.equal(world.processes.at(-1)?.controller.releaseBrake(), true);
  await world.until('they are moved', () => runs(world, id));
});

test('a shard that was not made again yet is none that others can be made from', async () => {
  await using world = new ControllerWorld({ own: 12 });
  const id = await dispersed(world);
  const [first, second, third] = world.placesOf(id, 'shards');
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  world.lose(first);
  await world.until('it is moved', () => runs(world, id));
  const [next] = world.placesOf(id, 'shards');
  assert.ok(next !== undefined);
  world.hollow.add(next);
  world.lose(second);
  await world.until('the second is moved', () => runs(world, id));
  const after = world.placesOf(id, 'shards')[1];
  assert.ok(after !== undefined);
  world.hollow.add(after);
  world.lose(third);
  await world.until('it is told', () => world.codes(id).includes('HEAL_SHARDS_AWAY'));
  await world.pass(60_000);
  assert.equal(world.placesOf(id, 'shards')[2], third);
  world.hollow.clear();
  await world.until('the third is moved', () => runs(world, id));
});
