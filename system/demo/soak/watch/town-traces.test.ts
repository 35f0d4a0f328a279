import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import { DemoNetwork } from '../../demo-network.ts';
import { marksOf, tracesOfTown } from './town-traces.ts';

test('a network, a machine and a process that a town left are named', async () => {
  await using folder = await tempFolder('town-traces');
  const network = DemoNetwork.make(folder.path);
  const body = 'process.stdout.write("up"); setInterval(() => {}, 60_000)';
  const own = join(folder.path, 'nodes', '00');
  const child = spawn(process.execPath, ['-e', body, '--', '--data', own]);
  const ended = once(child, 'exit');
  try {
    await once(child.stdout, 'data');
    network.addMachine(0);
    const netns = join('/run/netns', network.netnsOf(0));
    const marks = marksOf([{ prefix: network.prefixOf(0), netns }], folder.path);
    const traces = await tracesOfTown(marks);
    assert.ok(
      traces.some((one) => one.startsWith(`process ${child.pid} `)),
      traces.join('\n'),
    );
    assert.ok(traces.includes(netns), traces.join('\n'));
    const [name = ''] = network.netnsOf(0).split('-');
    for (const link of [name, `${name}c0`]) assert.ok(traces.includes(`link ${link}`), link);
  } finally {
    child.kill('SIGKILL');
    await ended;
    await network.remove();
  }
});

test('of a town that left nothing nothing is found, whatever others have', async () => {
  await using folder = await tempFolder('town-traces');
  // No network has this letter or this number.
  const marks = marksOf([{ prefix: 'zz9', netns: '/run/netns/gd99-0' }], folder.path);
  assert.deepEqual(await tracesOfTown(marks), []);
});
