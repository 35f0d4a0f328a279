import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { reservePort } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { namespacesOn, tracesOn } from './traces.ts';
import type { TracedMachine } from './traces.ts';

const key = 'feedc0ffee42';

/** A process that waits, with these words on its command line. */
async function waiting(...words: string[]) {
  const body = 'process.stdout.write("up"); setInterval(() => {}, 60_000)';
  const child = spawn(process.execPath, ['-e', body, '--', ...words]);
  await once(child.stdout, 'data');
  return child;
}

/** A machine with the network of this one; nobody else's names begin with its prefix. */
async function withMachine(work: (machine: TracedMachine) => Promise<void>): Promise<void> {
  await using folder = await tempFolder('traces');
  const machine = { folder: folder.path, prefix: 'zz9', netns: '/proc/self/ns/net', name: 'be-1' };
  await work(machine);
}

test('a machine that has nothing of a workload shows no trace of it', async () => {
  await withMachine(async (machine) => {
    await mkdir(join(machine.folder, 'machine/bundles/0123456789ab'), { recursive: true });
    assert.deepEqual(await tracesOn(machine, new Set([key])), []);
  });
});

test('files, a volume and a process that a workload left are named', async () => {
  await withMachine(async (machine) => {
    const { folder } = machine;
    for (const path of [`bundles/${key}`, `containers/${key}`, `volumes/pool/v-${key}`]) {
      await mkdir(join(folder, 'machine', path), { recursive: true });
    }
    const bundle = join(folder, 'machine/bundles', key);
    const child = await waiting('--bundle', bundle);
    try {
      const traces = await tracesOn(machine, new Set([key]));
      assert.deepEqual(
        traces.filter((one) => !one.includes('process')),
        ['bundles/', 'containers/', 'volumes/pool/v-'].map((path) => {
          return `be-1: ${join(folder, 'machine')}/${path}${key}`;
        }),
      );
      const processes = traces.filter((one) => one.startsWith(`be-1: process ${child.pid} `));
      assert.equal(processes.length, 1);
    } finally {
      const over = once(child, 'exit');
      child.kill('SIGKILL');
      await over;
    }
  });
});

test('a Zero-DB that does not answer is told only where one runs', async () => {
  await withMachine(async ({ folder, name }) => {
    const door = { host: '127.0.0.1', port: await reservePort(), fingerprint: '' };
    const node = { folder, name, status: async () => ({ zdb: [door] }) };
    const { signal } = new AbortController();
    assert.deepEqual(await namespacesOn(node, new Set([key]), signal), []);
    const child = await waiting('zdb', 'serve', '--data', join(folder, 'machine/zdb'));
    try {
      const [told] = await namespacesOn(node, new Set([key]), signal);
      assert.match(
        told ?? '',
        /^be-1: its namespaces cannot be asked for \(RESP_CONNECT_FAILED\)$/,
      );
    } finally {
      const over = once(child, 'exit');
      child.kill('SIGKILL');
      await over;
    }
  });
});
