import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { delay, errorCode, waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';

import { ContainerRuntime } from '../src/container/container-runtime.ts';
import type { AgentTask } from './support/container-agent.ts';
import { containerBed, endOf, leftOf } from './support/container-bed.ts';
import type { ContainerBed } from './support/container-bed.ts';

let bed: ContainerBed;

before(async () => {
  bed = await containerBed();
});

after(async () => {
  await bed[Symbol.asyncDispose]();
});

const program = join(import.meta.dirname, 'support', 'container-agent.ts');

/** Lets a process do its task until `isTime`, by what it said, and kills it some time after. */
async function killedAgent(
  task: AgentTask,
  isTime: (said: string) => boolean | Promise<boolean>,
  afterMs: number,
): Promise<void> {
  const agent = spawn(process.execPath, [program, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    let said = '';
    agent.stdout.setEncoding('utf8').on('data', (part: string) => (said += part));
    await waitFor(() => agent.exitCode !== null || isTime(said), {
      timeoutMs: 60_000,
      everyMs: 1,
      what: 'the time to kill the agent',
    });
    if (afterMs > 0) await delay(afterMs);
  } finally {
    assert.equal(agent.exitCode, null);
    agent.kill('SIGKILL');
    await once(agent, 'exit');
  }
}

/** Processes of the machine whose command line has all of these words. */
async function processesWith(...words: readonly string[]): Promise<readonly number[]> {
  const found: number[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (words.every((word) => line.split('\0').includes(word))) found.push(Number(pid));
  }
  return found;
}

async function becomesRight(name: string): Promise<void> {
  const spec = bed.specOf(name, 'sleep 1000');
  await bed.runtime.create(spec);
  await bed.runtime.start(spec.id);
  const found = await bed.runtime.state(spec.id);
  assert.ok(found.state === 'running' && found.isSupervised, JSON.stringify(found));
  assert.equal((await processesWith('--cid', spec.id)).length, 1, 'one conmon');
  await bed.runtime.delete(spec.id);
  assert.deepEqual(await leftOf(bed.prefix), []);
  assert.deepEqual(await bed.runtime.list(), []);
}

test('an agent that is killed while it makes a container leaves what the next makes right', async () => {
  const { options } = bed;
  for (const [index, afterMs] of [0, 8, 20, 35, 60].entries()) {
    const spec = bed.specOf(`making-${index}`, 'sleep 1000');
    await killedAgent(
      { options, spec, last: 'nothing' },
      (said) => said.includes('opened'),
      afterMs,
    );
    await becomesRight(`making-${index}`);
  }
});

test('an agent that is killed while it deletes a container leaves what the next deletes', async () => {
  const { options } = bed;
  for (const [index, afterMs] of [0, 8, 20].entries()) {
    const spec = bed.specOf(`deleting-${index}`, 'sleep 1000');
    await killedAgent(
      { options, spec, last: 'delete' },
      (said) => said.includes('started'),
      afterMs,
    );
    await bed.runtime.delete(spec.id);
    assert.deepEqual(await leftOf(bed.prefix), []);
    assert.deepEqual(await bed.runtime.list(), []);
  }
});

test('an agent that is killed does not touch what runs, but its own commands end', async () => {
  const { options } = bed;
  const spec = bed.specOf('untouched', 'sleep 12345');
  const sleeping = (): Promise<readonly number[]> => processesWith('sleep', '54321');
  await killedAgent({ options, spec, last: 'exec' }, async () => (await sleeping()).length > 0, 0);
  const first = await processesWith('sleep', '12345');
  await bed.reopen();
  await waitFor(async () => (await sleeping()).length === 0, {
    timeoutMs: 60_000,
    what: 'the end of the command',
  });
  assert.equal((await bed.runtime.state(spec.id)).state, 'running');
  assert.deepEqual(await processesWith('sleep', '12345'), first);
  await bed.runtime.delete(spec.id);
});

/** Starts a container, and kills its conmon. */
async function startAlone(name: string): Promise<string> {
  const spec = bed.specOf(name, 'sleep 1000');
  await bed.runtime.create(spec);
  await bed.runtime.start(spec.id);
  (await processesWith('--cid', spec.id)).forEach(kill);
  await waitFor(
    async () => {
      const found = await bed.runtime.state(spec.id);
      return found.state === 'running' && !found.isSupervised;
    },
    { timeoutMs: 60_000, what: 'the loss of conmon to be seen' },
  );
  return spec.id;
}

test('a container whose conmon is killed runs on unsupervised, and its end is noticed', async () => {
  const id = await startAlone('alone');
  const ends = new Set<string>();
  using _listening = bed.runtime.onExit((ended) => ends.add(ended));
  await bed.runtime.kill(id, 'SIGKILL');
  assert.equal((await endOf(bed.runtime, id)).exitCode, undefined);
  await waitFor(() => ends.has(id), { timeoutMs: 60_000, what: 'the end to be told' });
  await becomesRight('alone');
});

test('the end of a container whose conmon hangs is noticed, and it is made anew', async () => {
  const spec = bed.specOf('hanging', 'sleep 1000');
  await bed.runtime.create(spec);
  await bed.runtime.start(spec.id);
  for (const pid of await processesWith('--cid', spec.id)) process.kill(pid, 'SIGSTOP');
  await bed.runtime.kill(spec.id, 'SIGKILL');
  assert.equal((await endOf(bed.runtime, spec.id)).exitCode, undefined);
  await becomesRight('hanging');
});

test('a container whose conmon was killed is made anew when it is asked for', async () => {
  await startAlone('healed');
  await becomesRight('healed');
});

test('conmon or runc killed in the middle of making a container is told, and leaves nothing', async () => {
  const runc = join(bed.folder, 'runc');
  const prefix = `${bed.prefix}k`;
  const folder = join(bed.folder, 'killed');
  await writeFile(runc, '', { mode: 0o755 });
  await using runtime = await ContainerRuntime.open({ folder, prefix, runc });
  const spec = bed.specOf('broken', 'sleep 1000');
  for (const victim of ['$!', '$PPID']) {
    for (const afterSeconds of [0, 0.02, 0.5]) {
      const script = [
        '#!/bin/sh',
        `case " $* " in *" create "*) /usr/sbin/runc "$@" & sleep ${afterSeconds}`,
        `kill -9 ${victim}; kill -9 $$;; esac`,
        'exec /usr/sbin/runc "$@"',
      ];
      await writeFile(runc, script.join('\n'));
      await assert.rejects(runtime.create(spec), hasCode('NODE_CONTAINER_FAILED'));
      assert.deepEqual(await leftOf(prefix), [], `${victim} after ${afterSeconds} s`);
    }
  }
});

/** It may have ended by itself. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
