import assert from 'node:assert/strict';
import { test } from 'node:test';

import { successorHealthyMs } from '@commongrid/model';

import { ControllerWorld, runs } from './support/controller-world.ts';

const container = { flist: 'a'.repeat(64), rootBytes: '1GiB' };
const web = { name: 'web', cpu: 1, memory: '1GiB', container };
const apart = { spread: { distinctNodes: true } };
const healthy = { phase: 'healthy' } as const;
const noRoom = { phase: 'refused', code: 'NODE_ROOM_MISSING', message: 'no memory' } as const;
const noImage = { phase: 'failed', code: 'NODE_IMAGE_UNAVAILABLE', isRetryable: true } as const;
const noProgram = { phase: 'failed', code: 'NODE_COMMAND_MISSING', isRetryable: false } as const;
const rich = { currency: 'EUR', perMonth: 100_000, total: 1_000_000 };
const slowly = { forMs: 400_000, everyMs: 1_000 };

test('what its node refuses goes elsewhere at once, and not there again', async () => {
  await using world = new ControllerWorld({ own: 3 });
  const refusing = new Set<string>();
  world.says = (_, node) => (refusing.has(node) ? noRoom : healthy);
  const id = await world.contract({ roles: [{ ...web, replicas: 2, ...apart }] });
  // Whichever it takes first.
  for (const node of world.nodes) refusing.add(node);
  world.start();
  await world.until('it is placed', () => world.placement(id) !== undefined);
  const [first, second] = world.placesOf(id, 'web');
  assert.ok(first !== undefined && second !== undefined);
  for (const node of world.nodes) if (node !== first) refusing.delete(node);
  await world.until('it runs', () => runs(world, id));
  const places = world.placesOf(id, 'web');
  assert.deepEqual([places.includes(first), places[1]], [false, second]);
  assert.equal(world.placement(id)?.reason, 'heal');
  // The node that runs it is lost: the one that refused it is left alone all the same.
  const [lost] = places;
  assert.ok(lost !== undefined);
  world.lose(lost);
  await world.until('it waits', () => world.codes(id).includes('HEAL_NOTHING_FITS'));
  await world.pass(5_000);
  assert.ok(!world.placesOf(id, 'web').includes(first));
});

test('what fails for good goes elsewhere, what may pass has time', async () => {
  await using world = new ControllerWorld({ own: 4 });
  const [one = '', other = ''] = world.nodes;
  const words = new Map<string, typeof noImage | typeof noProgram>();
  world.says = (_, node) => words.get(node) ?? healthy;
  const id = await world.contract({ roles: [{ ...web, replicas: 4, ...apart }] });
  const spare = (): void => world.addNode();
  world.start();
  await world.until('it runs', () => runs(world, id));
  spare();
  spare();
  words.set(one, noProgram);
  words.set(other, noImage);
  await world.until('one is moved', () => world.placement(id)?.revision === 2);
  assert.ok(!world.placesOf(id, 'web').includes(one as never));
  await world.pass(60_000);
  assert.ok(world.placesOf(id, 'web').includes(other as never), 'it may pass');
  await world.until('it is moved as well', () => runs(world, id), slowly);
  assert.ok(!world.placesOf(id, 'web').includes(other as never));
  assert.equal(world.placement(id)?.revision, 3);
});

test('what is started again and again counts as failing, though it runs in between', async () => {
  await using world = new ControllerWorld({ own: 2 });
  const id = await world.contract({ roles: [web] });
  world.start();
  await world.until('it runs', () => runs(world, id));
  const [node] = world.placesOf(id, 'web');
  let turns = 0;
  const ended = { phase: 'failed', code: 'NODE_ENDED', isRetryable: true } as const;
  world.says = (_, at) => (at === node && ++turns % 40 > 15 ? ended : healthy);
  await world.until('it is moved', () => world.placesOf(id, 'web')[0] !== node, { forMs: 200_000 });
  assert.ok(turns > 200, 'it had time');
});

test('what fails on each node does not wander, and it is told what nodes said', async () => {
  await using world = new ControllerWorld({ own: 6 });
  world.says = () => noProgram;
  const id = await world.contract({ roles: [web] });
  const { controller } = world.start();
  await world.until('it stands', () => world.codes(id).includes('HEAL_FAILS_EVERYWHERE'), slowly);
  const { revision, items } = world.placement(id) ?? {};
  assert.equal(revision, 3, 'three nodes were tried');
  const [why] = controller.status()[0]?.blocked ?? [];
  assert.match(why?.message ?? '', /node:.*NODE_COMMAND_MISSING.*node:/);
  assert.deepEqual(why?.slots, ['web/0']);
  await world.pass(120_000);
  assert.equal(world.placement(id)?.revision, revision);
  // It was mended on the node where it is.
  world.says = () => healthy;
  await world.until('it runs', () => runs(world, id) && world.codes(id).length === 0);
  assert.deepEqual(world.placement(id)?.items, items);
});

test('a role that fails wherever it is, and is well nowhere, is not moved at all', async () => {
  await using world = new ControllerWorld({ own: 8 });
  world.says = () => noProgram;
  const id = await world.contract({ roles: [{ ...web, replicas: 4, ...apart }] });
  world.start();
  await world.until('it stands', () => world.codes(id).includes('HEAL_FAILS_EVERYWHERE'));
  await world.pass(30_000);
  assert.equal(world.placement(id)?.revision, 1);
});

test('what a node refuses because of the contract is not moved at once', async () => {
  await using world = new ControllerWorld({ own: 3 });
  const id = await world.contract({ roles: [web] });
  world.says = () => ({ phase: 'refused', code: 'VIEW_STALE' });
  world.start();
  await world.until('it is placed', () => world.placement(id) !== undefined);
  await world.pass(60_000);
  assert.equal(world.placement(id)?.revision, 1);
  world.says = () => healthy;
  await world.until('it runs', () => runs(world, id));
});

test('local data stay on a node that does not run them', async () => {
  await using world = new ControllerWorld({ own: 3 });
  const disk = { name: 'disk', volume: { size: '1GiB' } };
  const id = await world.contract({ roles: [disk] });
  world.says = () => noRoom;
  const { controller } = world.start();
  await world.until('it is told', () => world.codes(id).includes('HEAL_LOCAL_DATA'));
  await world.pass(5_000);
  assert.equal(world.placement(id)?.revision, 1);
  assert.match(controller.status()[0]?.blocked[0]?.message ?? '', /does not run it/);
});

test('no more of what does not do is moved within an hour than the contract allows', async () => {
  await using world = new ControllerWorld({ own: 8 });
  const id = await world.contract({
    heal: { maxPerHour: 1 },
    roles: [{ ...web, replicas: 3, ...apart }],
  });
  world.start();
  await world.until('it runs', () => runs(world, id));
  const bad = world.placesOf(id, 'web').slice(0, 2);
  world.says = (_, node) => (bad.includes(node) ? noRoom : healthy);
  await world.until('it is told', () => world.codes(id).includes('HEAL_RATE'));
  await world.pass(5_000);
  assert.equal(world.placement(id)?.revision, 2);
});

test('a single writer ends before it begins elsewhere', async () => {
  await using world = new ControllerWorld({ own: 3 });
  const heal = { replaceAfterMs: 60_000 };
  const id = await world.contract({ heal, roles: [{ ...web, onIsolation: 'stop' }] });
  world.start();
  await world.until('it runs', () => runs(world, id));
  const [node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined);
  world.lingering.add(`${id}/web/0`);
  world.drain(node);
  await world.until('it is to end', () => world.placement(id)?.items.length === 0);
  await world.until('it is told', () => world.codes(id).includes('HEAL_HANDOVER'));
  await world.pass(10_000);
  assert.equal(world.placement(id)?.revision, 2, 'it still runs there');
  world.lingering.clear();
  await world.until('it runs again', () => world.placesOf(id, 'web').length === 1);
  assert.notEqual(world.placesOf(id, 'web')[0], node);
  assert.equal(world.placement(id)?.revision, 3);
});

test('a single writer whose node vanishes while it ends begins elsewhere once that is lost', async () => {
  await using world = new ControllerWorld({ own: 3 });
  const heal = { replaceAfterMs: 60_000 };
  const id = await world.contract({ heal, roles: [{ ...web, onIsolation: 'stop' }] });
  world.start();
  await world.until('it runs', () => runs(world, id));
  const [node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined);
  world.lingering.add(`${id}/web/0`);
  world.drain(node);
  await world.until('it is to end', () => world.placement(id)?.items.length === 0);
  world.lose(node);
  await world.pass(55_000);
  assert.equal(world.placement(id)?.revision, 2, 'it may run there');
  await world.until('it runs again', () => world.placesOf(id, 'web').length === 1);
  assert.ok(world.placement(id)?.notAfterMs !== undefined, 'as any move away from a lost node');
});

test('a single writer of which its node never said anything begins elsewhere after a while', async () => {
  await using world = new ControllerWorld({ own: 3 });
  const heal = { replaceAfterMs: 60_000 };
  const id = await world.contract({ heal, roles: [{ ...web, onIsolation: 'stop' }] });
  world.start();
  world.isMute = true;
  await world.until('it is placed', () => world.placement(id) !== undefined);
  const [item] = world.placement(id)?.items ?? [];
  const { fence = 1 } = world.placement(id) ?? {};
  world.put('grid.placement.1', world.ada.device, {
    ...{ contract: id, revision: 2, fence, items: [], reason: 'upgrade' },
    ...{ lease: id as never, expMs: world.at + 600_000 },
  });
  await world.until('it is told', () => world.codes(id).includes('HEAL_HANDOVER'));
  await world.pass(55_000);
  assert.equal(world.placement(id)?.revision, 2);
  await world.until('it is placed again', () => world.placement(id)?.items.length === 1);
  assert.ok(item !== undefined);
});

test('a single writer is not ended where no other node has room for it', async () => {
  await using world = new ControllerWorld({ own: 1 });
  const heal = { replaceAfterMs: 60_000 };
  const id = await world.contract({ heal, roles: [{ ...web, onIsolation: 'stop' }] });
  world.start();
  await world.until('it runs', () => runs(world, id));
  const [node] = world.nodes;
  assert.ok(node !== undefined);
  world.drain(node);
  await world.until('it is told', () => world.codes(id).includes('HEAL_NOTHING_FITS'));
  assert.equal(world.placement(id)?.revision, 1);
  world.addNode();
  await world.until('it is moved', () => !world.placesOf(id, 'web').includes(node));
});

test('what is on a node that drains leaves one after the other, and nothing new comes', async () => {
  await using world = new ControllerWorld({ own: 3 });
  const id = await world.contract({ roles: [{ ...web, replicas: 3 }] });
  const { controller } = world.start();
  await world.until('it runs', () => runs(world, id));
  const [node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined);
  const here = world.placesOf(id, 'web').filter((one) => one === node).length;
  let slow = '';
  const { says } = world;
  world.says = (workload, at) => (workload === slow ? { phase: 'starting' } : says(workload, at));
  world.drain(node);
  await world.until('the first one leaves', () => world.placement(id)?.revision === 2);
  assert.equal(world.placement(id)?.reason, 'drain');
  if (here > 1) {
    slow = `${id}/web/${world.placesOf(id, 'web').findIndex((one) => one !== node)}`;
    assert.ok(controller.status().length === 1);
  }
  await world.until('all have left', () => !world.placesOf(id, 'web').includes(node));
  // One at a time; once the last one is well, its former place is told to end it.
  const revision = 2 + here;
  await world.until('the last one ends', () => world.placement(id)?.revision === revision);
  assert.equal(world.placement(id)?.reason, 'drain');
  const other = await world.contract({ roles: [{ ...web, replicas: 4 }] });
  await world.until('the other one runs', () => runs(world, other));
  assert.ok(!world.placesOf(other, 'web').includes(node));
  assert.equal(world.placement(id)?.revision, revision, 'once');
});

test('of several roles that leave a node none goes on before what left first is healthy', async () => {
  await using world = new ControllerWorld({ own: 1 });
  const slow = { ...web, name: 'slow' };
  const id = await world.contract({ roles: [{ ...web, replicas: 2 }, slow] });
  world.start();
  await world.until('it runs', () => runs(world, id));
  const [node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined);
  world.addNode();
  let isSlow = true;
  const { says } = world;
  world.says = (workload, at) => {
    const waits = isSlow && at !== node && workload.includes('/slow/');
    return waits ? { phase: 'starting' } : says(workload, at);
  };
  world.drain(node);
  await world.until('one of each leaves', () => !world.placesOf(id, 'slow').includes(node));
  await world.until('the rest waits', () => world.codes(id).includes('HEAL_DRAIN'));
  // The controller looked again and again meanwhile.
  const other = await world.contract({ roles: [web] });
  await world.until('another contract runs', () => runs(world, other));
  // Another placement would end the slow one where it was.
  assert.equal(world.placement(id)?.revision, 2);
  assert.equal(world.placesOf(id, 'web').filter((one) => one === node).length, 1);
  isSlow = false;
  await world.until('all have left', () => !world.placesOf(id, 'web').includes(node));
  await world.until('the last one ends', () => world.placement(id)?.revision === 4);
});

test('what is halted after it left a node that drains is held up by nothing', async () => {
  await using world = new ControllerWorld({ own: 2 });
  const id = await world.contract({ roles: [web] });
  world.start();
  await world.until('it runs', () => runs(world, id));
  const [node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined);
  let isSlow = true;
  const { says } = world;
  world.says = (workload, at) => {
    return isSlow && at !== node ? { phase: 'starting' } : says(workload, at);
  };
  world.drain(node);
  await world.until('it leaves', () => world.placement(id)?.revision === 2);
  world.approve(id, 'halt', { expMs: world.at + 2 * successorHealthyMs });
  isSlow = false;
  await world.until('it runs elsewhere', () => runs(world, id));
  await world.pass(20_000);
  assert.deepEqual([world.codes(id), world.placement(id)?.revision], [[], 2]);
  await world.leap(successorHealthyMs);
  await world.until('the rest may go', () => world.accepted('grid.tombstone.1').length > 0);
  assert.equal(world.placement(id)?.revision, 2);
});

test('what is rented leaves a node that drains, with another lock', async () => {
  await using world = new ControllerWorld({ own: 0, rented: 2 });
  const id = await world.contract({ budget: rich, roles: [web] });
  world.start();
  await world.until('it runs', () => runs(world, id));
  const [node] = world.placesOf(id, 'web');
  assert.ok(node !== undefined);
  world.drain(node);
  await world.until('it leaves', () => !world.placesOf(id, 'web').includes(node));
  await world.until('it runs', () => runs(world, id));
  assert.equal(world.accepted('grid.escrow.1').length, 2);
});
