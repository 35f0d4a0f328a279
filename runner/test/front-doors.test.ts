import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';

import { reservePort, silentLogger } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import type { ContractId } from '@commongrid/model';

import { DoorBook } from '../src/front-door/door-book.ts';
import { DoorCounts } from '../src/front-door/door-counts.ts';
import { planDoors } from '../src/front-door/door-plan.ts';
import type { DoorPlan } from '../src/front-door/door-plan.ts';
import { Doors } from '../src/front-door/doors.ts';
import type { Endpoint } from '../src/front-door/endpoint.ts';
import { GridHome } from '../src/home.ts';

/** What a contract of this name publishes under a number, on another machine. */
function planOf(name: string, publish: number, change: Partial<Endpoint> = {}): DoorPlan {
  const contract = `contract:${name}` as ContractId;
  const endpoint: Endpoint = {
    ...{ contract, lineage: contract, generation: 0, name, role: 'web', port: 'http', publish },
    ...{ kind: 'tcp', isLeaving: false },
    replicas: [{ replica: 0, address: `192.0.2.1:${publish}`, isReady: true }],
    ...change,
  };
  const [plan] = planDoors([endpoint], new Map());
  assert.ok(plan !== undefined);
  return plan;
}

function openDoors(home: GridHome, ports: Readonly<Record<string, number>> = {}): Doors {
  return new Doors({ home, ports, counts: new DoorCounts(), logger: silentLogger });
}

function addressesOf(doors: Doors): Readonly<Record<string, string>> {
  return Object.fromEntries(doors.report().map(({ name, address }) => [name, address]));
}

test('a door has the published number where it is free, and keeps what it has until its contract ends', async () => {
  await using folder = await tempFolder('doors');
  const home = new GridHome(folder.path);
  const [publish, other] = [await reservePort(), createServer().listen(0, '127.0.0.1')];
  await once(other, 'listening');
  const { port: taken } = other.address() as AddressInfo;
  const plans = [planOf('page', publish), planOf('shop', publish), planOf('blog', taken)];
  let kept: Readonly<Record<string, number>>;
  let before: Readonly<Record<string, string>>;
  {
    await using doors = openDoors(home);
    await doors.settle(plans);
    before = addressesOf(doors);
    kept = doors.ports;
    assert.equal(before['page'], `127.0.0.1:${publish}`);
    assert.equal(new Set(Object.values(before)).size, 3);
    // What is free later does not move a door.
    other.close();
    await doors.settle(plans.toReversed());
    assert.deepEqual(addressesOf(doors), before);
  }
  await using doors = openDoors(home, kept);
  // One that has none yet does not get that of another one.
  await doors.settle([planOf('news', publish), ...plans]);
  const { news, ...others } = addressesOf(doors);
  assert.deepEqual(others, before);
  assert.notEqual(news, before['page']);
  await doors.settle([planOf('late', publish)]);
  assert.deepEqual(addressesOf(doors), { late: `127.0.0.1:${publish}` });
  assert.deepEqual(Object.values(doors.ports), [publish]);
});

test('a door that cannot be opened holds up no other one, and is told of once', async () => {
  await using folder = await tempFolder('doors');
  const errors: unknown[] = [];
  const logger = { ...silentLogger, error: (...told: unknown[]) => void errors.push(told) };
  const [bad, page, shop] = [
    planOf('bad', await reservePort()),
    planOf('page', await reservePort()),
    planOf('shop', await reservePort()),
  ];
  // No system gives such a port.
  const ports = { [bad.key]: 70_000 };
  const home = new GridHome(folder.path);
  await using doors = new Doors({ home, ports, counts: new DoorCounts(), logger });
  await doors.settle([bad, page]);
  assert.deepEqual(Object.keys(addressesOf(doors)), ['page']);
  const replicas = [{ replica: 0, address: '192.0.2.1:80', isReady: true }];
  await doors.settle([bad, planOf('page', page.endpoint.publish, { replicas }), shop]);
  const led = doors.report().map(({ name, replicas: [first] }) => [name, first?.address]);
  assert.deepEqual(led, [
    ['page', '192.0.2.1:80'],
    ['shop', `192.0.2.1:${shop.endpoint.publish}`],
  ]);
  assert.equal(errors.length, 1);
  // Nobody wants it for a while, so its port is kept no longer.
  await doors.settle([page]);
  await doors.settle([bad, page]);
  assert.deepEqual(Object.keys(addressesOf(doors)), ['page', 'bad']);
});

test('a door leaves the published number to a node of its own machine', async () => {
  await using folder = await tempFolder('doors');
  const home = new GridHome(folder.path);
  await using doors = openDoors(home);
  const publish = await reservePort();
  await doors.settle([planOf('page', publish)]);
  assert.deepEqual(addressesOf(doors), { page: `127.0.0.1:${publish}` });
  // A place at an address of this machine.
  const replicas = [{ replica: 0, address: `127.0.0.1:${publish}`, isReady: false }];
  await doors.settle([planOf('page', publish, { replicas })]);
  const moved = addressesOf(doors);
  assert.notEqual(moved['page'], `127.0.0.1:${publish}`);
  await doors.settle([planOf('page', publish)]);
  assert.deepEqual(addressesOf(doors), moved);

  // The node of the grid, which may get such a place.
  await doors.settle([]);
  await home.create();
  await writeFile(join(folder.path, 'no-node'), '');
  const { nodeZdbPortFile } = home;
  await doors.settle([planOf('page', publish)]);
  assert.deepEqual(addressesOf(doors), { page: `127.0.0.1:${publish}` });
  await mkdir(home.node, { recursive: true });
  await writeFile(nodeZdbPortFile, '9902');
  await doors.settle([planOf('page', publish)]);
  assert.deepEqual(addressesOf(doors), { page: `127.0.0.1:${publish}` });
  await rm(home.noNodeFile);
  await doors.settle([planOf('page', publish)]);
  assert.notEqual(addressesOf(doors)['page'], `127.0.0.1:${publish}`);
});

test('what is known of doors is there after a start, also when a start before was cut off', async () => {
  await using folder = await tempFolder('doors');
  const { endpoint, key } = planOf('page', 8080);
  const record = { bots: { buyer: [endpoint] }, ports: { [key]: 8080 } };
  const fresh = await DoorBook.open(folder.path, silentLogger);
  assert.deepEqual(fresh.record, { bots: {}, ports: {} });
  await fresh.book.keep(record);
  assert.deepEqual((await DoorBook.open(folder.path, silentLogger)).record, record);
  await writeFile(join(folder.path, 'doors.json'), '{"schema":"grid.front-d');
  const damaged = await DoorBook.open(folder.path, silentLogger);
  assert.deepEqual(damaged.record, { bots: {}, ports: {} });
  await damaged.book.keep(record);
  assert.deepEqual((await DoorBook.open(folder.path, silentLogger)).record, record);
});
