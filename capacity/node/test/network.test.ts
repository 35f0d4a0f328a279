import assert from 'node:assert/strict';
import { test } from 'node:test';

import { runProgram } from '@commongrid/base';

import { NetworkLab, request } from './support/network-lab.ts';
import { freePort } from './support/taken-ports.ts';

test('a container reaches out with the address of its node', async () => {
  await using lab = await NetworkLab.open();
  const node = await lab.node();
  const world = lab.peer(lab.worldPath);
  await world.listen('tcp', 80);
  await world.listen('udp', 53);
  const { namespacePath } = await node.attach(request(0));
  const container = lab.peer(namespacePath);
  assert.equal(await container.ask('tcp', lab.world, 80), lab.uplink);
  assert.equal(await container.ask('udp', lab.world, 53), lab.uplink);
  await runProgram('nsenter', [
    `--net=${namespacePath}`,
    'busybox',
    'ping',
    '-c1',
    '-W2',
    lab.world,
  ]);
});

test('a published port is reached from the world, the node, its loopback and containers', async () => {
  await using lab = await NetworkLab.open();
  const node = await lab.node();
  const [tcp, udp] = await Promise.all([freePort(), freePort()]);
  const server = await node.attach(
    request(0, 'ada', [
      { port: 80, protocol: 'tcp', publish: tcp },
      { port: 53, protocol: 'udp', publish: udp },
    ]),
  );
  const other = await node.attach(request(1, 'bob'));
  const container = lab.peer(server.namespacePath);
  await container.listen('tcp', 80);
  await container.listen('udp', 53);
  const world = lab.peer(lab.worldPath);
  const machine = lab.peer();
  const neighbour = lab.peer(other.namespacePath);
  for (const [protocol, port] of [['tcp', tcp] as const, ['udp', udp] as const]) {
    assert.equal(await world.ask(protocol, lab.uplink, port), lab.world, 'who asks is seen');
    assert.equal(await machine.ask(protocol, lab.uplink, port), lab.uplink);
    assert.equal(await machine.ask(protocol, '127.0.0.1', port), server.gateway);
    assert.equal(await neighbour.ask(protocol, lab.uplink, port), other.address);
    assert.equal(await container.ask(protocol, lab.uplink, port), server.gateway, 'itself');
    assert.equal(
      await machine.ask(protocol, server.address, protocol === 'tcp' ? 80 : 53),
      server.gateway,
    );
  }
  await node.attach(request(0, 'ada', [{ port: 80, protocol: 'tcp', publish: tcp }]));
  await world.askInVain('udp', lab.uplink, udp);
  assert.equal(await world.ask('tcp', lab.uplink, tcp), lab.world);
});

test('containers of a tenant reach each other, those of different tenants do not', async () => {
  await using lab = await NetworkLab.open();
  const node = await lab.node();
  const [one, two, alien] = await Promise.all([
    node.attach(request(0, 'ada')),
    node.attach(request(1, 'ada')),
    node.attach(request(2, 'bob')),
  ]);
  const server = lab.peer(one.namespacePath);
  await server.listen('tcp', 80);
  await server.listen('udp', 53);
  const friend = lab.peer(two.namespacePath);
  assert.equal(await friend.ask('tcp', one.address, 80), two.address);
  assert.equal(await friend.ask('udp', one.address, 53), two.address);
  const stranger = lab.peer(alien.namespacePath);
  await stranger.askInVain('tcp', one.address, 80);
  await stranger.askInVain('udp', one.address, 53);
  const world = lab.peer(lab.worldPath);
  const inWorld = ['netns', 'exec', lab.worldPath.slice('/run/netns/'.length), 'ip'];
  await runProgram('ip', [...inWorld, 'route', 'add', one.address, 'via', lab.uplink]);
  await world.askInVain('tcp', one.address, 80);
});

test('a container cannot send as another, whatever it does to its own link', async () => {
  await using lab = await NetworkLab.open();
  const node = await lab.node();
  const [victim, friend, thief] = await Promise.all([
    node.attach(request(0, 'ada')),
    node.attach(request(1, 'ada')),
    node.attach(request(2, 'bob')),
  ]);
  const server = lab.peer(victim.namespacePath);
  await server.listen('tcp', 80);
  await server.listen('udp', 53);
  const world = lab.peer(lab.worldPath);
  await world.listen('tcp', 80);
  await world.listen('udp', 53);
  const ip = async (...args: readonly string[]): Promise<string> =>
    runProgram('nsenter', [`--net=${thief.namespacePath}`, 'ip', ...args]);
  await ip('address', 'add', `${friend.address}/32`, 'dev', 'eth0');
  const peer = lab.peer(thief.namespacePath);
  const asFriend = { address: friend.address };
  await peer.askInVain('udp', victim.address, 53, asFriend);
  await peer.askInVain('udp', lab.world, 53, asFriend);
  await peer.askInVain('tcp', lab.world, 80, asFriend);
  await ip('address', 'delete', `${friend.address}/32`, 'dev', 'eth0');
  // It claims addresses of others by ARP, under a new one of Ethernet.
  await ip('link', 'set', 'eth0', 'address', '02:00:00:00:00:66');
  for (const address of [victim.address, victim.gateway, lab.world]) {
    await ip('address', 'add', `${address}/32`, 'dev', 'eth0');
    const claim = ['busybox', 'arping', '-U', '-c1', '-I', 'eth0', '-s', address, address];
    await runProgram('nsenter', [`--net=${thief.namespacePath}`, ...claim]);
    await ip('address', 'delete', `${address}/32`, 'dev', 'eth0');
  }
  const friendly = lab.peer(friend.namespacePath);
  assert.equal(await friendly.ask('tcp', victim.address, 80), friend.address);
  assert.equal(await friendly.ask('udp', lab.world, 53), lab.uplink);
  await ip('route', 'replace', 'default', 'via', victim.gateway, 'dev', 'eth0', 'onlink');
  assert.equal(await peer.ask('tcp', lab.world, 80), lab.uplink, 'as itself it may');
  assert.deepEqual(await server.heard(), []);
  assert.deepEqual(await world.heard(), [lab.uplink], 'the friend alone');
});

test('a container reaches neither services of the machine nor reserved addresses', async () => {
  await using lab = await NetworkLab.open();
  const node = await lab.node();
  const { namespacePath, gateway, address } = await node.attach(request(0));
  const port = await freePort();
  const machine = lab.peer();
  await machine.listen('tcp', port);
  await machine.listen('udp', port);
  const container = lab.peer(namespacePath);
  const run = async (...args: readonly string[]): Promise<string> =>
    runProgram('nsenter', [`--net=${namespacePath}`, ...args]);
  for (const protocol of ['tcp', 'udp'] as const) {
    await container.askInVain(protocol, lab.uplink, port);
    await container.askInVain(protocol, gateway, port);
  }
  await run(
    'sysctl',
    '-qw',
    'net.ipv4.conf.eth0.route_localnet=1',
    'net.ipv4.conf.all.route_localnet=1',
  );
  await run('ip', 'route', 'delete', 'local', '127.0.0.0/8', 'dev', 'lo', 'table', 'local');
  await run('ip', 'route', 'delete', 'local', '127.0.0.1', 'dev', 'lo', 'table', 'local');
  await run(
    'ip',
    'route',
    'add',
    '127.0.0.0/8',
    'via',
    gateway,
    'dev',
    'eth0',
    'onlink',
    'src',
    address,
  );
  await container.askInVain('udp', '127.0.0.1', port);
  await container.askInVain('tcp', '127.0.0.1', port);
  assert.deepEqual(await machine.heard(), []);
  // A metadata service of a cloud, in the world.
  const inWorld = ['netns', 'exec', lab.worldPath.slice('/run/netns/'.length), 'ip'];
  await runProgram('ip', [...inWorld, 'address', 'add', '169.254.169.254/32', 'dev', 'lo']);
  const world = lab.peer(lab.worldPath);
  await world.listen('tcp', 80);
  await runProgram('ip', ['route', 'add', '169.254.169.254', 'via', lab.world]);
  try {
    assert.equal(await machine.ask('tcp', '169.254.169.254', 80), lab.uplink, 'it is there');
    await container.askInVain('tcp', '169.254.169.254', 80);
  } finally {
    await runProgram('ip', ['route', 'delete', '169.254.169.254', 'via', lab.world]);
  }
});

test('a namespace has no IPv6, and lets any user listen below 1024 and ping', async () => {
  await using lab = await NetworkLab.open();
  const node = await lab.node();
  const { namespacePath } = await node.attach(request(0));
  const run = async (...args: readonly string[]): Promise<string> =>
    runProgram('nsenter', [`--net=${namespacePath}`, ...args]);
  assert.equal(await run('ip', '-6', 'address'), '');
  assert.equal(await run('ip', '-6', 'route'), '');
  assert.equal(await run('cat', '/proc/sys/net/ipv4/ip_unprivileged_port_start'), '0\n');
  assert.equal(await run('cat', '/proc/sys/net/ipv4/ping_group_range'), '0\t2147483647\n');
});
