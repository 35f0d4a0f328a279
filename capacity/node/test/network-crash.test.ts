import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { runProgram } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { drawPrefix } from './support/draw-prefix.ts';

const isLong = process.env['GRID_TEST_LONG'] === '1';

test('a node killed between commands of ip comes to the same, and leaves nothing', async () => {
  await killAtSteps('ip', 5);
});

test('a node killed before or after a run of nft comes to the same, and leaves nothing', async () => {
  await killAtSteps('nft', 3);
});

/** Kills it at one step, at a later one, and so on, until it comes to its end. */
async function killAtSteps(program: string, stride: number): Promise<void> {
  await using folder = await tempFolder('network');
  const prefix = await drawPrefix();
  await using machine = await emptyMachine(prefix);
  const programs = join(folder.path, 'programs');
  await mkdir(programs);
  await interceptPrograms(programs, folder.path);
  const run = async (plan: string): Promise<Told> => {
    await writeFile(join(folder.path, 'plan'), 'none 0');
    return runOnce(machine.path, programs, [folder.path, prefix, plan]);
  };
  const expected = { attached: 2, left: '' };
  let killed = 0;
  for (let step = 1; step <= stepsMax; step += isLong ? 1 : stride) {
    const { told, status } = await run(`${program} ${step}`);
    if (step === 1) expected.left = told.left;
    assert.deepEqual(told, expected, `after the kill before step ${step} of ${program}`);
    if (status === 0) break;
    assert.equal(status, 'SIGKILL');
    killed++;
  }
  const { told } = await run('none 0');
  assert.deepEqual(told, expected, 'after the last one');
  assert.ok(killed > 2 && killed < stepsMax / 2, `it was killed ${killed} times`);
}

/** More than there are. */
const stepsMax = 100;

interface Told {
  readonly told: { readonly attached: number; readonly left: string };
  readonly status: number | string;
}

async function runOnce(
  namespace: string,
  programs: string,
  args: readonly string[],
): Promise<Told> {
  const program = new URL('support/network-crash-program.ts', import.meta.url).pathname;
  const child = spawn('nsenter', [`--net=${namespace}`, process.execPath, program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PATH: `${programs}:${process.env['PATH']}` },
  });
  const [printed, exit] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  const [code, signal] = exit as [number | null, string | null];
  return { told: JSON.parse(printed), status: code ?? signal ?? '' };
}

/**
 * Puts programs in the path that count their steps, one for each command of a batch, and kill the
 * node ahead of one of them: `plan` says of which program and which step, `pid` whom.
 */
async function interceptPrograms(folder: string, state: string): Promise<void> {
  for (const name of ['ip', 'nft']) {
    const real = (await runProgram('sh', ['-c', `command -v ${name}`])).trim();
    const script = `#!/bin/sh
step() {
  echo x >> ${state}/steps
  [ "$(wc -l < ${state}/steps)" = "$at" ] || return 0
  : > ${state}/steps
  kill -9 "$(cat ${state}/pid)"
  exit 1
}
read -r program at < ${state}/plan
[ "$program" = ${name} ] || exec ${real} "$@"
case "$1" in
-batch)
  while IFS= read -r line; do
    step
    printf '%s\\n' "$line" | ${real} -batch - || exit 1
  done
  step;;
-f)
  step
  ${real} "$@" || exit 1
  step;;
*) exec ${real} "$@";;
esac
`;
    await writeFile(join(folder, name), script);
    await chmod(join(folder, name), 0o755);
  }
}

/** A namespace that knows no network yet. */
async function emptyMachine(prefix: string): Promise<AsyncDisposable & { readonly path: string }> {
  const name = `lab-machine-${await drawPrefix()}`;
  await runProgram('ip', ['netns', 'add', name]);
  const path = `/run/netns/${name}`;
  return {
    path,
    async [Symbol.asyncDispose]() {
      const left = (await readdir('/run/netns')).filter((other) => other.startsWith(prefix));
      for (const each of [name, ...left]) await runProgram('ip', ['netns', 'delete', each]);
    },
  };
}
