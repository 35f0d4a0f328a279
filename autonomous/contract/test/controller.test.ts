import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fakeId } from '@commongrid/model/testing';
import { ControllerWorld, runs } from './support/controller-world.ts';

const container = { flist: 'a'.repeat(64), rootBytes: '1GiB' };
const web = { name: 'web', replicas: 2, cpu: 1, memory: '1GiB', container };
const apart = { spread: { distinctNodes: true } };
const rich = { currency: 'EUR', perMonth: 100_000, total: 1_000_000 };

test('a controller places what was agreed to, and nothing before', async () => {
  await using world = new ControllerWorld();
  const id = await world.contract(
    { secrets: { word: 'x' }, roles: [{ ...web, ...apart }] },
    { isSigned: false },
  );
  world.start();
  await world.pass(2_000);
  assert.equal(world.placement(id), undefined);
  world.approve(id, 'provision');
  await world.until('it runs', () => runs(world, id));
  assert.equal(new Set(world.placesOf(id, 'web')).size, 2);
  assert.equal(world.placement(id)?.revision, 1);
  await world.pass(3_000);
  assert.equal(world.placement(id)?.revision, 1, 'nothing is placed twice');
});

test('a controller moves what is on a lost node, and leaves the rest', async () => {
  await using world = new ControllerWorld();
  const id = await world.contract({ roles: [{ ...web, ...apart }] });
  world.start();
  await world.until('it runs', () => runs(world, id));
  const [first, second] = world.placesOf(id, 'web');
  assert.ok(first !== undefined && second !== undefined);
  world.lose(first);
  await world.pass(9_000);
  assert.equal(world.placement(id)?.revision, 1, 'it is suspected only');
  await world.until('it is healed', () => runs(world, id));
  const places = world.placesOf(id, 'web');
  assert.equal(places[1], second);
  assert.ok(places[0] !== first && places[0] !== second);
  assert.equal(world.placement(id)?.reason, 'heal');
  // The lost node comes back: nothing goes back to it.
  world.find(first);
  await world.pass(3_000);
  assert.equal(world.placement(id)?.revision, 2);
});

test('an order to move that is long on its way has no effect, and another one is given', async () => {
  await using world = new ControllerWorld();
  const id = await world.contract({ roles: [{ ...web, replicas: 1 }] });
  world.start();
  await world.until('it runs', () => runs(world, id));
  const [node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined);
  world.placementDelayMs = 6_000;
  world.lose(node);
  await world.until('it came too late', () => refusals(world).includes('PLACEMENT_LATE'));
  assert.equal(world.placement(id)?.revision, 1);
  assert.ok(world.codes(id).length > 0, 'it is said');
  world.placementDelayMs = 0;
  await world.until('it is healed', () => runs(world, id));
  const { revision, notAfterMs } = world.placement(id) ?? {};
  assert.equal(revision, 2);
  assert.ok(notAfterMs !== undefined);
  assert.equal(world.accepted('grid.placement.1')[0]?.notAfterMs, undefined, 'nothing moved then');
});

test('a controller moves nothing away from a machine that answers a probe', async () => {
  await using world = new ControllerWorld();
  const id = await world.contract({ roles: [web] });
  const { controller } = world.start();
  await world.until('it runs', () => runs(world, id));
  const [node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined);
  world.answering.add(node);
  world.lose(node);
  await world.pass(40_000);
  assert.equal(world.placement(id)?.revision, 1);
  assert.deepEqual(controller.status()[0]?.silent, [{ node, outlook: 'cutOff' }]);
  assert.ok(world.probes > 2);
  world.answering.delete(node);
  await world.until('it is moved', () => runs(world, id));
});

test('a controller rents from others: lock, escrow, placement', async () => {
  await using world = new ControllerWorld({ own: 1, rented: 2 });
  const id = await world.contract({ budget: rich, roles: [{ ...web, replicas: 3, ...apart }] });
  world.start();
  await world.until('it runs', () => runs(world, id));
  const items = world.placement(id)?.items ?? [];
  assert.deepEqual([items.length, items.filter(({ lock }) => lock !== undefined).length], [3, 2]);
  assert.equal(world.accepted('grid.lock.1').length, 2);
  assert.equal(world.accepted('grid.escrow.1').length, 2);
});

test('local data waits for its node', async () => {
  await using world = new ControllerWorld();
  const disk = { name: 'disk', volume: { size: '1GiB' } };
  const id = await world.contract({ roles: [disk, web] });
  world.start();
  await world.until('it runs', () => runs(world, id));
  const [node] = world.placesOf(id, 'disk');
  assert.ok(node !== undefined);
  world.lose(node);
  await world.until('it is told', () => world.codes(id).includes('HEAL_LOCAL_DATA'));
  await world.pass(5_000);
  assert.deepEqual(world.placesOf(id, 'disk'), [node]);
  assert.equal(world.grid.fold.refusals.size, 0, 'it does not even try');
  world.find(node);
  await world.until('nothing is held up', () => world.codes(id).length === 0);
});

test('before what was paid for is used up, a place gets another lock and goes on as it is', async () => {
  await using world = new ControllerWorld({ own: 0, rented: 1 });
  const id = await world.contract({ budget: rich, days: 35, roles: [{ ...web, replicas: 1 }] });
  world.start();
  await world.until('it runs', () => runs(world, id));
  await world.leap(26 * 86_400_000);
  await world.pass(2_000);
  assert.equal(world.accepted('grid.lock.1').length, 1);
  await world.leap(1.5 * 86_400_000);
  await world.until('it has another lock', () => world.placement(id)?.revision === 2);
  const [before, after] = world.accepted('grid.placement.1').map(({ items }) => items[0]);
  assert.notEqual(before?.lock, after?.lock);
  assert.deepEqual([before?.node, before?.slice], [after?.node, after?.slice]);
  // The second one pays until the end of the term: 7 days and a half are left.
  const amounts = world.accepted('grid.escrow.1').map(({ amount }) => Number(amount));
  assert.deepEqual(amounts, [720, 180]);
  await world.leap(7 * 86_400_000);
  await world.pass(5_000);
  assert.equal(world.accepted('grid.lock.1').length, 2);
});

test('a controller with a key of its own pays within an allowance', async () => {
  await using world = new ControllerWorld({ own: 0, rented: 1 });
  const controllers = [world.ada.controller];
  const roles = [{ ...web, replicas: 1 }];
  const id = await world.contract({ controllers, budget: rich, roles });
  world.start({ key: world.ada.controller });
  await world.until('it lacks money', () => world.codes(id).includes('HEAL_MONEY'));
  world.put('grid.allowance.1', world.ada.device, {
    ...{ contract: id, from: world.ada.id, currency: 'EUR' },
    ...{ perMonth: fakeId.amount(1_000), expMs: world.at + 86_400_000 },
  });
  await world.until('it runs', () => runs(world, id));
  assert.equal(world.accepted('grid.escrow.1').length, 1);
});

function refusals({ grid }: ControllerWorld): readonly string[] {
  return [...grid.fold.refusals.values()];
}
