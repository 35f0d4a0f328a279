import assert from 'node:assert/strict';
import { test } from 'node:test';

import { heldBy } from '@commongrid/model';
import { botOf, fakeId, keyEntry } from '@commongrid/model/testing';
import { ControllerWorld, runs } from './support/controller-world.ts';

const container = { flist: 'a'.repeat(64), rootBytes: '1GiB' };
const web = { name: 'web', replicas: 3, cpu: 1, memory: '1GiB', container };
const apart = { spread: { distinctNodes: true } };
const rich = { currency: 'EUR', perMonth: 100_000, total: 1_000_000 };

/** One node of one's own, the rest rented: placed, one lost, healed, removed. @returns appends */
async function history(left: number, isAfter: boolean): Promise<boolean> {
  await using world = new ControllerWorld({ own: 1, rented: 3 });
  const reaper = { left, isAfter };
  const id = await world.contract({ budget: rich, roles: [{ ...web, ...apart }] });
  const first = world.start({ reaper });
  const goOn = async (): Promise<void> => {
    if (!first.isDead || world.processes.length > 1) return;
    await world.kill(first);
    world.start();
  };
  const until = async (what: string, isSo: () => boolean): Promise<void> => {
    await world.until(what, () => first.isDead || isSo());
    await goOn();
    await world.until(`${what}, killed at ${left} ${isAfter}`, isSo);
  };
  await until('it runs', () => runs(world, id));
  const [, node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined);
  world.lose(node);
  await until('it is healed', () => runs(world, id) && !world.placesOf(id, 'web').includes(node));
  assert.equal(world.placement(id)?.revision, 2, `killed at ${left}`);
  const { fold } = world.grid;
  const locks = new Set((world.placement(id)?.items ?? []).flatMap(({ lock }) => lock ?? []));
  // Each stay has one lock, and each that was paid for was used.
  const paid = world.accepted('grid.escrow.1').map(({ lock }) => lock);
  const used = paid.filter((lock) => fold.money('escrow', lock)?.place !== undefined);
  assert.deepEqual(paid, used, `killed at ${left}`);
  assert.equal(new Set(paid).size, paid.length);
  for (const lock of locks) assert.ok(heldBy(fold.money('escrow', lock) ?? assert.fail()) > 0n);
  world.approve(id, 'remove');
  const phase = (): string | undefined =>
    world.processes.at(-1)?.controller.status()[0]?.status?.phase;
  await until('it is closed', () => phase() === 'closed');
  return first.isDead;
}

test('a controller that is killed at any append goes on where it was', async () => {
  let kills = 0;
  for (const isAfter of [false, true]) {
    for (let left = 1; await history(left, isAfter); left++) kills++;
  }
  assert.ok(kills >= 20, `${kills} kills`);
});

test('a controller that starts anew leaves alone what was removed', async () => {
  await using world = new ControllerWorld({ own: 4 });
  const removed = await world.contract({ roles: [{ ...web, ...apart }] });
  const first = world.start();
  await world.until('it runs', () => runs(world, removed));
  world.approve(removed, 'remove');
  const phaseOf = (id: string): string | undefined =>
    world.processes
      .at(-1)
      ?.controller.status()
      .find((one) => one.id === id)?.status?.phase;
  await world.until('it is closed', () => phaseOf(removed) === 'closed');
  const lease = world.grid.fold.current('grid.lease.1', removed)?.fence;
  await world.kill(first);
  const running = await world.contract({ roles: [{ ...web, ...apart }] });
  world.start();
  await world.until('the other one runs', () => runs(world, running));
  assert.equal(phaseOf(removed), 'closed');
  assert.equal(world.grid.fold.current('grid.lease.1', removed)?.fence, lease);
});

test('of two controllers one acts, and the other goes on when that one is gone', async () => {
  await using world = new ControllerWorld({ own: 4 });
  const controllers = [world.ada.device, world.ada.controller];
  const id = await world.contract({ controllers, roles: [{ ...web, ...apart }] });
  const first = world.start();
  await world.until('it runs', () => runs(world, id));
  const second = world.start({ key: world.ada.controller });
  await world.pass(5_000);
  assert.deepEqual(world.codes(id, second), ['HEAL_LEASE_TAKEN']);
  await world.kill(first);
  const [node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined);
  world.lose(node);
  await world.until('the other one heals', () => runs(world, id));
  assert.equal(world.placement(id)?.fence, 2);
  assert.deepEqual(world.codes(id, second), []);
});

test('a bot that was recovered heals by its new key, and the lost one changes nothing', async () => {
  await using world = new ControllerWorld({ own: 4 });
  const { ada } = world;
  const id = await world.contract({ controllers: [ada.id], roles: [{ ...web, ...apart }] });
  const thief = world.start();
  await world.until('it runs', () => runs(world, id));
  const next = fakeId.key(801);
  world.put('grid.bot.1', ada.root, {
    ...botOf(world.grid, ada, 'ada'),
    keys: [
      keyEntry(world.grid, ada.id, ada.device, 'device', 'compromised'),
      keyEntry(world.grid, ada.id, ada.controller, 'controller'),
      keyEntry(world.grid, ada.id, next, 'device'),
    ],
  });
  const [node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined);
  world.lose(node);
  await world.until('the lost key is refused', () => {
    return [...world.grid.fold.refusals.values()].includes('KEY_ENDED');
  });
  assert.equal(world.placement(id)?.revision, 1);
  // The log renews nothing for it.
  world.cutOff(thief);
  const own = world.start({ key: next });
  await world.until('it is healed', () => runs(world, id));
  world.rejoin(thief);
  await world.pass(5_000);
  assert.deepEqual([world.placement(id)?.fence, world.placement(id)?.revision], [2, 2]);
  assert.deepEqual(world.codes(id, own), []);
});

test('a controller that was cut off and comes back under an old fence changes nothing', async () => {
  await using world = new ControllerWorld({ own: 4 });
  const controllers = [world.ada.device, world.ada.controller];
  const id = await world.contract({ controllers, roles: [{ ...web, ...apart }] });
  const first = world.start();
  await world.until('it runs', () => runs(world, id));
  world.cutOff(first);
  const second = world.start({ key: world.ada.controller });
  await world.until('the other one has the lease', () => world.codes(id, second).length === 0);
  world.rejoin(first);
  const [node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined);
  world.lose(node);
  await world.until('it is healed', () => runs(world, id));
  await world.pass(5_000);
  assert.deepEqual([world.placement(id)?.fence, world.placement(id)?.revision], [2, 2]);
  assert.deepEqual(world.codes(id, first), ['HEAL_LEASE_TAKEN']);
});

test('what a replica left behind is given up after a day of health elsewhere, local data never', async () => {
  await using world = new ControllerWorld({ own: 4 });
  const disk = { name: 'disk', volume: { size: '1GiB' } };
  const id = await world.contract({ roles: [disk, { ...web, replicas: 1 }] });
  world.start();
  await world.until('it runs', () => runs(world, id));
  const [node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined);
  world.lose(node);
  await world.until('it is moved', () => world.placesOf(id, 'web')[0] !== node);
  await world.pass(2_000);
  await world.leap(23 * 3_600_000);
  await world.pass(2_000);
  assert.equal(world.accepted('grid.tombstone.1').length, 0);
  await world.leap(3_600_000);
  await world.until('it is given up', () => world.accepted('grid.tombstone.1').length > 0);
  await world.pass(2_000);
  const workload = `${id}/web/0`;
  assert.deepEqual(world.accepted('grid.tombstone.1'), [
    { workload, revision: 1, reason: 'replaced' },
  ]);
});
