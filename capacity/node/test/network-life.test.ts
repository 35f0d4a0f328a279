import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { runProgram } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';

import { NodeNetwork } from '../src/network/node-network.ts';
import { drawPrefix } from './support/draw-prefix.ts';
import { NetworkLab, request } from './support/network-lab.ts';
import { boundUdpPort, freePort, listeningPort } from './support/taken-ports.ts';

test('a workload keeps its address until it is forgotten', async () => {
  await using lab = await NetworkLab.open();
  await using folder = await tempFolder('network');
  const options = { folder: folder.path, prefix: await drawPrefix() };
  const node = await lab.node(options);
  const first = await node.attach(request(0));
  assert.deepEqual(await node.attach(request(0)), first, 'again');
  await node.detach(request(0).id);
  await node.detach(request(0).id);
  assert.deepEqual(
    (await node.list()).map(({ isAttached }) => isAttached),
    [false],
  );
  await node.attach(request(1));
  const restarted = await NodeNetwork.open(options);
  assert.deepEqual(await restarted.attach(request(0)), first, 'after all of it was away');
  await restarted.forget(request(0).id);
  await restarted.forget(request(0).id);
  const next = await restarted.attach(request(2));
  assert.notEqual(next.address, first.address, 'an address that became free rests');
  assert.deepEqual(
    (await restarted.list()).map(({ id }) => id),
    [request(1).id, request(2).id],
  );
});

test('a port that somebody has is refused, with who has it', async () => {
  await using lab = await NetworkLab.open();
  const node = await lab.node();
  const port = await freePort();
  const ports = [{ port: 80, protocol: 'tcp', publish: port } as const];
  await node.attach(request(0, 'ada', ports));
  const taken = hasCode('NODE_PORT_TAKEN');
  await assert.rejects(node.attach(request(1, 'ada', ports)), (error) => {
    assert.match(String(error), new RegExp(request(0).id));
    return taken(error);
  });
  const second = await lab.node();
  await assert.rejects(second.attach(request(0, 'ada', ports)), taken, 'by another node');
  await node.detach(request(0).id);
  await node.attach(request(1, 'ada', ports));
  await using listening = await listeningPort();
  await using bound = await boundUdpPort();
  await assert.rejects(
    node.attach(request(2, 'ada', [{ port: 80, protocol: 'tcp', publish: listening.port }])),
    (error) => {
      assert.match(String(error), new RegExp(`process ${process.pid}`));
      return taken(error);
    },
  );
  await assert.rejects(
    node.attach(request(2, 'ada', [{ port: 80, protocol: 'udp', publish: bound.port }])),
    taken,
  );
});

test('nobody publishes the port of a service of the node, whether that listens or not', async () => {
  await using lab = await NetworkLab.open();
  const port = await freePort();
  const node = await lab.node({ doors: [{ host: '127.0.0.1', port }] });
  await assert.rejects(
    node.attach(request(0, 'ada', [{ port: 80, protocol: 'tcp', publish: port }])),
    (error) => {
      assert.match(String(error), /a Zero-DB of this node/);
      return hasCode('NODE_PORT_TAKEN')(error);
    },
  );
  await node.attach(request(0, 'ada', [{ port: 80, protocol: 'udp', publish: port }]));
});

test('containers reach services of the node, also as soon as it starts again', async () => {
  await using lab = await NetworkLab.open();
  await using folder = await tempFolder('network');
  const [port, other] = await Promise.all([freePort(), freePort()]);
  const doors = [{ host: lab.uplink, port }];
  const options = { folder: folder.path, prefix: await drawPrefix(), doors };
  const node = await lab.node(options);
  const { namespacePath, address } = await node.attach(request(0));
  const machine = lab.peer();
  await machine.listen('tcp', port);
  await machine.listen('tcp', other);
  const container = lab.peer(namespacePath);
  assert.equal(await container.ask('tcp', lab.uplink, port), address);
  await NodeNetwork.open(options);
  assert.equal(await container.ask('tcp', lab.uplink, port), address);
  await container.askInVain('tcp', lab.uplink, other);
});

test('a sender over UDP that does not pause reaches whoever has the port now', async () => {
  await using lab = await NetworkLab.open();
  const node = await lab.node();
  const port = await freePort();
  const ports = [{ port: 53, protocol: 'udp', publish: port } as const];
  const world = lab.peer(lab.worldPath);
  // From one port, as what sends all the time does.
  const from = { port: 5353 };
  const first = await node.attach(request(0, 'ada', ports));
  await lab.peer(first.namespacePath).listen('udp', 53);
  assert.equal(await world.ask('udp', lab.uplink, port, from), lab.world);
  await node.detach(request(0).id);
  await world.askInVain('udp', lab.uplink, port, from);
  const second = await node.attach(request(1, 'ada', ports));
  await lab.peer(second.namespacePath).listen('udp', 53);
  assert.equal(await world.ask('udp', lab.uplink, port, from), lab.world);
});

test('fifty workloads attach at once', async () => {
  await using lab = await NetworkLab.open();
  const node = await lab.node();
  const numbers = Array.from({ length: 50 }, (_item, index) => index);
  const attached = await Promise.all(numbers.map((number) => node.attach(request(number))));
  assert.equal(new Set(attached.map(({ address }) => address)).size, 50);
  assert.ok((await node.list()).every(({ isAttached }) => isAttached));
});

test('a range gives each of its addresses once, and does not change under workloads', async () => {
  await using lab = await NetworkLab.open();
  await using folder = await tempFolder('network');
  const options = { folder: folder.path, prefix: await drawPrefix(), range: '10.255.77.0/29' };
  const node = await lab.node(options);
  const numbers = [0, 1, 2, 3, 4];
  const attached = await Promise.all(numbers.map((number) => node.attach(request(number))));
  assert.deepEqual(attached.map(({ address }) => address).toSorted(), [
    '10.255.77.2',
    '10.255.77.3',
    '10.255.77.4',
    '10.255.77.5',
    '10.255.77.6',
  ]);
  await assert.rejects(node.attach(request(5)), hasCode('NODE_ADDRESSES_EXHAUSTED'));
  await node.forget(request(3).id);
  assert.equal((await node.attach(request(5))).address, attached[3]?.address);
  await assert.rejects(
    NodeNetwork.open({ ...options, range: '10.255.78.0/29' }),
    hasCode('NODE_CONFIG_INVALID'),
  );
});

test('two nodes on one machine keep to their own', async () => {
  await using lab = await NetworkLab.open();
  await using folder = await tempFolder('network');
  const options = { folder: folder.path, prefix: await drawPrefix() };
  const [one, two] = [await lab.node(options), await lab.node()];
  const port = await freePort();
  const ports = [{ port: 80, protocol: 'tcp', publish: port } as const];
  const a = await one.attach(request(0, 'ada'));
  const b = await two.attach(request(0, 'ada', ports));
  assert.notEqual(a.address, b.address);
  const server = lab.peer(b.namespacePath);
  await server.listen('tcp', 80);
  const peer = lab.peer(a.namespacePath);
  await peer.askInVain('tcp', b.address, 80);
  assert.equal(await peer.ask('tcp', lab.uplink, port), b.gateway, 'what is published, as others');
  await NodeNetwork.open(options);
  assert.deepEqual(
    (await two.list()).map(({ isAttached }) => isAttached),
    [true],
  );
});

test('a node with an address of its own publishes and reaches out there alone', async () => {
  await using lab = await NetworkLab.open();
  const node = await lab.node({ uplinkAddress: lab.uplink });
  const port = await freePort();
  const { namespacePath, gateway } = await node.attach(
    request(0, 'ada', [{ port: 80, protocol: 'tcp', publish: port }]),
  );
  const container = lab.peer(namespacePath);
  await container.listen('tcp', 80);
  const world = lab.peer(lab.worldPath);
  await world.listen('tcp', 80);
  assert.equal(await container.ask('tcp', lab.world, 80), lab.uplink);
  assert.equal(await world.ask('tcp', lab.uplink, port), lab.world);
  const machine = lab.peer();
  assert.equal(await machine.ask('tcp', '127.0.0.1', port), gateway);
  await machine.askInVain('tcp', gateway, port);
});

test('a node that starts again leaves what is whole as it is', async () => {
  await using lab = await NetworkLab.open();
  await using folder = await tempFolder('network');
  const options = { folder: folder.path, prefix: await drawPrefix() };
  const node = await lab.node(options);
  const { namespacePath } = await node.attach(request(0));
  const inside = async (): Promise<string> =>
    runProgram('nsenter', [`--net=${namespacePath}`, 'ip', 'address']);
  const before = await inside();
  const { ino } = await stat(namespacePath);
  await NodeNetwork.open(options);
  assert.equal(await inside(), before);
  assert.equal((await stat(namespacePath)).ino, ino);
});

test('rules that somebody else took away come back', async () => {
  await using lab = await NetworkLab.open();
  await using folder = await tempFolder('network');
  const options = { folder: folder.path, prefix: await drawPrefix() };
  const node = await lab.node(options);
  const world = lab.peer(lab.worldPath);
  await world.listen('tcp', 80);
  const { namespacePath } = await node.attach(request(0));
  const container = lab.peer(namespacePath);
  await runProgram('nft', ['delete', 'table', 'inet', `${options.prefix}_network`]);
  await node.attach(request(0));
  assert.equal(await container.ask('tcp', lab.world, 80), lab.uplink, 'by an attach');
  await runProgram('ip', ['link', 'delete', (await linksOf(options.prefix))[0] ?? '']);
  assert.deepEqual(
    (await node.list()).map(({ isAttached }) => isAttached),
    [false],
  );
  await node.attach(request(0));
  assert.equal(await container.ask('tcp', lab.world, 80), lab.uplink, 'in the same namespace');
  await runProgram('nft', ['delete', 'table', 'inet', `${options.prefix}_network`]);
  await node.refreshRules();
  assert.equal(await container.ask('tcp', lab.world, 80), lab.uplink, 'by a refresh');
});

test('a node that lost its folder takes away what it had made', async () => {
  await using lab = await NetworkLab.open();
  const prefix = await drawPrefix();
  const lost = await lab.node({ prefix, range: '10.255.79.0/29' });
  await lost.attach(request(0));
  const node = await lab.node({ prefix, range: '10.255.80.0/29' });
  assert.deepEqual(await linksOf(prefix), []);
  const routes = await runProgram('ip', ['route']);
  assert.match(routes, /^unreachable 10\.255\.80\.0\/29 /m);
  assert.doesNotMatch(routes, /10\.255\.79\./);
  await node.attach(request(1));
  assert.equal((await linksOf(prefix)).length, 1);
});

test('options and tables that cannot be used are refused', async () => {
  await using folder = await tempFolder('network');
  const open = async (options: object): Promise<NodeNetwork> =>
    NodeNetwork.open({ folder: folder.path, prefix: await drawPrefix(), ...options });
  const invalid = hasCode('NODE_CONFIG_INVALID');
  for (const prefix of ['', '1a', 'abcd', 'A', 'a-']) {
    await assert.rejects(open({ prefix }), invalid, prefix);
  }
  for (const range of ['10.0.0.1/16', '10.0.0.0/30', '10.0.0.0', 'all']) {
    await assert.rejects(open({ range }), invalid, range);
  }
  await assert.rejects(open({ uplinkAddress: '::1' }), invalid);
  for (const text of ['', '{"v":2}', '{"v":1,"range":"10.0.0.0/16","next":2,"workloads":[{}]}']) {
    await writeFile(join(folder.path, 'network.json'), text);
    await assert.rejects(open({}), hasCode('NODE_NETWORK_UNREADABLE'), text);
  }
});

async function linksOf(prefix: string): Promise<string[]> {
  const printed = await runProgram('ip', ['-br', 'link', 'show', 'type', 'veth']);
  return [...printed.matchAll(/^(\w+)@/gm)].flatMap(([, name = '']) =>
    name.startsWith(prefix) ? [name] : [],
  );
}
