import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import { killMachine, processLists, programsOf } from './machine-processes.ts';

/** A process that waits, with further words on its command line. */
async function waiting(...words: string[]) {
  const child = spawn(process.execPath, [
    '-e',
    'process.stdout.write("up"); setInterval(() => {}, 60_000)',
    '--',
    ...words,
  ]);
  await once(child.stdout, 'data');
  return child;
}

test('killing a machine ends what names its folder or is of what is in it, and nothing else', async (t) => {
  await using folder = await tempFolder('machine');
  const machine = join(folder.path, '1');
  const own = await Promise.all([
    waiting('--data', machine),
    waiting(`--data=${machine}`),
    waiting(join(machine, 'zdb', 'config')),
  ]);
  const others = await Promise.all([waiting(`${machine}0`), waiting(folder.path)]);
  t.after(() => [...own, ...others].map((child) => child.kill('SIGKILL')));
  const ends = own.map((child) => once(child, 'exit'));
  await killMachine({ folder: machine, prefix: '-' });
  for (const [, by] of await Promise.all(ends)) assert.equal(by, 'SIGKILL');
  assert.deepEqual(await programsOf(machine), []);
  for (const { exitCode, signalCode } of others)
    assert.deepEqual([exitCode, signalCode], [null, null]);
});

test('processes of containers are found in cgroups of either version', async () => {
  for (const [tree, marker] of [
    ['pids', 'pids/tasks'],
    ['', 'cgroup.controllers'],
  ] as const) {
    await using root = await tempFolder('cgroups');
    const container = join(root.path, tree, 'cg.containers', 'web');
    await mkdir(container, { recursive: true });
    await writeFile(join(root.path, marker), '');
    await writeFile(join(container, 'cgroup.procs'), '17\n19\n');
    assert.deepEqual(await processLists('cg', root.path), [['web', ['17', '19']]]);
  }
});
