import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import { DemoNetwork } from './demo-network.ts';

interface Target {
  readonly host: string;
  readonly port: number;
  readonly withinMs: number;
}

/** Whether a machine of a network reaches an address of this one. */
function reaches(netns: string, { host, port, withinMs }: Target): boolean {
  const text = `
    const socket = require('node:net').connect({ host: '${host}', port: ${port} });
    socket.setTimeout(${withinMs}, () => process.exit(1));
    socket.on('error', () => process.exit(1));
    socket.on('connect', () => process.exit(0));`;
  const words = ['netns', 'exec', netns, process.execPath, '-e', text];
  try {
    execFileSync('env', ['ip', ...words], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

test('machines of a network have addresses, cables and names of their own, and go with it', async () => {
  await using folder = await tempFolder('demo-network');
  const network = DemoNetwork.make(folder.path);
  try {
    network.addMachine(0);
    network.addMachine(1);
    assert.notEqual(network.addressOf(0), network.addressOf(1));
    assert.match(network.prefixOf(1), /^[a-z][a-z0-9]{2}$/);
    assert.notEqual(network.prefixOf(0), network.prefixOf(1));
    await using server = createServer((socket) => socket.end()).listen(0, network.address);
    await once(server, 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    // Node cannot accept while a program is waited for: the kernel takes the connection for it.
    const target = { host: network.address, port: address.port, withinMs: 60_000 };
    assert.equal(reaches(network.netnsOf(0), target), true);
    network.setCable(0, 'down');
    assert.equal(reaches(network.netnsOf(0), { ...target, withinMs: 1_000 }), false);
    assert.equal(reaches(network.netnsOf(1), target), true);
    network.setCable(0, 'up');
    const found = DemoNetwork.left(folder.path);
    assert.deepEqual(
      found.map((one) => one.address),
      [network.address],
    );
    assert.deepEqual(DemoNetwork.left(join(folder.path, 'other')), []);
  } finally {
    // By whoever finds it, as after a demo that was killed.
    for (const left of DemoNetwork.left(folder.path)) await left.remove();
  }
  assert.deepEqual(DemoNetwork.left(folder.path), []);
  assert.equal(existsSync(join('/run/netns', network.netnsOf(0))), false);
});

test('two networks at a time have other ranges and other names', async () => {
  await using folder = await tempFolder('demo-network');
  const networks = [DemoNetwork.make(folder.path), DemoNetwork.make(folder.path)];
  try {
    const [one, other] = networks;
    assert.notEqual(one?.address, other?.address);
    assert.notEqual(one?.prefixOf(0), other?.prefixOf(0));
  } finally {
    for (const left of DemoNetwork.left(folder.path)) await left.remove();
  }
});
