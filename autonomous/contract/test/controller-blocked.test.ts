import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fakeId } from '@commongrid/model/testing';
import { ControllerWorld, runs } from './support/controller-world.ts';

const container = { flist: 'a'.repeat(64), rootBytes: '1GiB' };
const web = { name: 'web', cpu: 1, memory: '1GiB', container };
const apart = { spread: { distinctNodes: true } };
const rich = { currency: 'EUR', perMonth: 100_000, total: 1_000_000 };

test('nothing is placed that fits nowhere, until it does', async () => {
  await using world = new ControllerWorld({ own: 1 });
  const id = await world.contract({ roles: [{ ...web, replicas: 2, ...apart }] });
  world.start();
  await world.until('it is told', () => world.codes(id).includes('HEAL_NOTHING_FITS'));
  assert.equal(world.placement(id), undefined, 'all or nothing');
  world.addNode();
  await world.until('it runs', () => runs(world, id));
});

test('a halt holds up healing, and no more', async () => {
  await using world = new ControllerWorld();
  const id = await world.contract({ roles: [web] });
  world.start();
  await world.until('it runs', () => runs(world, id));
  world.approve(id, 'halt');
  const [node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined);
  world.lose(node);
  await world.until('it is told', () => world.codes(id).includes('HEAL_HALTED'));
  assert.equal(world.placement(id)?.revision, 1);
  world.approve(id, 'halt', { verdict: 'reject' });
  await world.until('it is healed', () => runs(world, id));
});

test('outside the mandate it is said which nodes would do', async () => {
  await using world = new ControllerWorld({ own: 1, rented: 1 });
  const heal = { mayMoveTo: { countries: ['BE'] } };
  const id = await world.contract({ budget: rich, heal, roles: [web] });
  const { controller } = world.start();
  await world.until('it runs', () => runs(world, id));
  const [node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined);
  world.lose(node);
  await world.until('it is told', () => world.codes(id).includes('HEAL_OUTSIDE_MANDATE'));
  assert.match(controller.status()[0]?.blocked[0]?.message ?? '', /node-2001 of attic/);
  await world.pass(3_000);
  assert.equal(world.accepted('grid.lock.1').length, 0);
});

test('no more is moved within an hour than the contract allows', async () => {
  await using world = new ControllerWorld({ own: 6 });
  const heal = { maxPerHour: 1 };
  const id = await world.contract({ heal, roles: [{ ...web, replicas: 2, ...apart }] });
  world.start();
  await world.until('it runs', () => runs(world, id));
  for (const node of world.placesOf(id, 'web')) world.lose(node);
  await world.until('one is moved', () => world.placement(id)?.revision === 2);
  await world.until('it is told', () => world.codes(id).includes('HEAL_RATE'));
  await world.pass(5_000);
  assert.equal(world.placement(id)?.revision, 2);
  await world.leap(3_600_000);
  await world.until('the other one is moved', () => runs(world, id));
});

test('in a storm only shards are repaired of which few are left, until the owner releases it', async () => {
  await using world = new ControllerWorld({ own: 16 });
  const secrets = { admin: 'x' };
  const zdb = { size: '1GiB', password: 'admin' };
  const few = { name: 'few', shards: '2+2', data: 'dispersed', zdb, ...apart };
  const many = { name: 'many', shards: '2+8', data: 'dispersed', zdb, ...apart };
  const heal = { maxPerHour: 100 };
  const id = await world.contract({ secrets, heal, roles: [few, many] });
  const { controller } = world.start();
  await world.until('it runs', () => runs(world, id));
  await world.pass(61_000);
  const fews = world.placesOf(id, 'few');
  const others = world.placesOf(id, 'many').filter((node) => !fews.includes(node));
  // Of `few` one is to spare then, of `many` two or more.
  const lost = [...fews.slice(0, 1), ...others.slice(0, 5)];
  for (const node of lost) world.lose(node);
  await world.until('it is a storm', () => controller.isStorm);
  await world.until('shards are repaired', () => {
    return world.placesOf(id, 'few').every((node) => !world.away.has(node));
  });
  assert.deepEqual(world.codes(id), ['HEAL_STORM']);
  await world.pass(20_000);
  assert.ok(world.placesOf(id, 'many').filter((node) => world.away.has(node)).length >= 5);
  controller.releaseBrake();
  await world.until('it is healed', () => runs(world, id));
});

test('secrets that are not at hand hold up what uses them, before money is spent', async () => {
  await using world = new ControllerWorld({ own: 0, rented: 1 });
  const zdb = { size: '1GiB', password: 'admin' };
  const roles = [{ name: 'shard', zdb }];
  const id = await world.contract({ secrets: { admin: 'x' }, budget: rich, roles });
  const paper = world.papers.get(id);
  assert.ok(paper !== undefined);
  world.papers.set(id, { ...paper, secrets: new Map([['admin', { salt: 'AAAA', value: 'y' }]]) });
  world.start();
  await world.until('it is told', () => world.codes(id).includes('SECRETS_UNAVAILABLE'));
  assert.equal(world.accepted('grid.lock.1').length, 0);
  world.papers.set(id, paper);
  await world.until('it runs', () => runs(world, id));
});

test('a farmer who declines is left alone for a while', async () => {
  await using world = new ControllerWorld({ own: 0, rented: 2 });
  world.declining.add(world.bob.id);
  const id = await world.contract({ budget: rich, roles: [web] });
  world.start();
  await world.until('it is told', () => world.codes(id).includes('HEAL_NOTHING_FITS'));
  assert.ok(world.codes(id).includes('HEAL_DECLINED'));
  world.declining.clear();
  await world.until('it runs', () => runs(world, id));
});

test('room that another buyer takes first is looked for elsewhere', async () => {
  await using world = new ControllerWorld({ own: 0, rented: 3 });
  const taken = new Set<string>();
  world.beforeLock = (node) => {
    // Somebody else was planned for the same room, and is quicker; twice.
    if (taken.size >= 2) return;
    const resources = world.grid.fold.current('grid.node.1', node)?.capacity;
    assert.ok(resources !== undefined);
    taken.add(node);
    world.giveLock({
      ...{ contract: fakeId.contract(77), buyer: world.eve.id, farmer: world.bob.id, node },
      slot: { role: 'other', replica: 0 },
      ...{ resources: { ...resources, ipv4: 0 }, currency: 'EUR' },
    });
  };
  const id = await world.contract({ budget: rich, roles: [web] });
  world.start();
  await world.until('it runs', () => runs(world, id), { forMs: 20_000 });
  const [node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined && taken.size === 2 && !taken.has(node));
  assert.equal(world.accepted('grid.escrow.1').length, 1, 'nothing is paid for room of others');
});

test('without money a lock is not paid for, and nothing is placed', async () => {
  await using world = new ControllerWorld({ own: 0, rented: 1, funds: 10 });
  const id = await world.contract({ budget: rich, roles: [web] });
  world.start();
  await world.until('it is told', () => world.codes(id).includes('HEAL_MONEY'));
  assert.equal(world.placement(id), undefined);
  const poor = { currency: 'EUR', perMonth: 100, total: 100 };
  const other = await world.contract({ budget: poor, roles: [web] });
  await world.until('it is told', () => world.codes(other).includes('HEAL_BUDGET'));
});

test('a lock that asks for more than the farm does is not paid for', async () => {
  await using world = new ControllerWorld({ own: 0, rented: 1 });
  world.lockPrice = 1_000;
  const id = await world.contract({ budget: rich, roles: [web] });
  world.start();
  await world.until('a lock is there', () => world.accepted('grid.lock.1').length > 0);
  await world.pass(5_000);
  assert.equal(world.accepted('grid.escrow.1').length, 0);
  assert.ok(world.codes(id).includes('HEAL_DECLINED'));
});
