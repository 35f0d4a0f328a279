import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';

import { isGridError, runProgram, waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';

import { ContainerRuntime, runFolderOf } from '../src/container/container-runtime.ts';
import { shortIdOf } from '../src/short-id.ts';
import { containerBed, endOf, leftOf, outputOf } from './support/container-bed.ts';
import type { ContainerBed } from './support/container-bed.ts';

let bed: ContainerBed;

before(async () => {
  bed = await containerBed();
});

after(async () => {
  await bed[Symbol.asyncDispose]();
});

/** What runc itself says the state is. */
async function runcStatus(id: string): Promise<string> {
  const root = join(runFolderOf(bed.prefix), 'runc');
  const said: { status: string } = JSON.parse(
    await runProgram('/usr/sbin/runc', ['--root', root, 'state', id]),
  );
  return said.status;
}

test('a container goes from made to gone, each call as good twice, and as runc sees it', async () => {
  const { runtime } = bed;
  const spec = bed.specOf('life', 'trap "echo ending; exit 3" TERM; while :; do sleep 0.05; done');
  const { id } = spec;
  const stateOf = async (): Promise<string> => (await runtime.state(id)).state;
  assert.equal(await stateOf(), 'absent');
  for (let times = 0; times < 2; times++) await runtime.create(spec);
  assert.equal(await stateOf(), await runcStatus(id));
  assert.equal(await stateOf(), 'created');
  const beforeMs = Date.now();
  for (let times = 0; times < 2; times++) await runtime.start(id);
  const running = await runtime.state(id);
  assert.ok(running.state === 'running' && running.isSupervised);
  assert.ok(running.startedAtMs >= beforeMs - 1_000 && running.startedAtMs <= Date.now());
  assert.equal(await runcStatus(id), 'running');
  await runtime.create(spec);
  assert.equal(await stateOf(), 'running', 'one that is as the spec says is left alone');
  assert.deepEqual(await runtime.specOf(id), spec);
  for (let times = 0; times < 2; times++) await runtime.pause(id);
  assert.equal(await stateOf(), await runcStatus(id));
  assert.equal(await stateOf(), 'paused');
  for (let times = 0; times < 2; times++) await runtime.resume(id);
  assert.equal(await stateOf(), 'running');
  for (let times = 0; times < 2; times++) await runtime.stop(id, 'SIGTERM', 5_000);
  const ended = await runtime.state(id);
  assert.ok(ended.state === 'ended' && ended.exitCode === 3 && !ended.isOutOfMemory);
  assert.ok(ended.startedAtMs === running.startedAtMs && ended.atMs >= running.startedAtMs);
  assert.equal(await runcStatus(id), 'stopped');
  assert.equal(await outputOf(spec.logFile), 'ending');
  await assert.rejects(runtime.start(id), hasCode('NODE_CONTAINER_NOT_RUNNING'));
  for (let times = 0; times < 2; times++) await runtime.delete(id);
  assert.equal(await stateOf(), 'absent');
  assert.deepEqual(await leftOf(bed.prefix), []);
});

test('a container that does not end by its signal is ended after its grace', async () => {
  const spec = bed.specOf('stubborn', 'trap "" TERM; while :; do sleep 0.05; done');
  await bed.runtime.create(spec);
  await bed.runtime.start(spec.id);
  const startedAtMs = performance.now();
  await bed.runtime.stop(spec.id, 'SIGTERM', 300);
  // Timers may come a little early.
  assert.ok(performance.now() - startedAtMs >= 290);
  assert.equal((await endOf(bed.runtime, spec.id)).exitCode, 137);
  await bed.runtime.delete(spec.id);
});

test('a paused container is stopped and deleted, too', async () => {
  for (const name of ['paused-one', 'paused-two']) {
    const spec = bed.specOf(name, 'sleep 1000');
    await bed.runtime.create(spec);
    await bed.runtime.start(spec.id);
    await bed.runtime.pause(spec.id);
    if (name === 'paused-one') await bed.runtime.stop(spec.id, 'SIGTERM', 100);
    await bed.runtime.delete(spec.id);
    assert.equal((await bed.runtime.state(spec.id)).state, 'absent');
  }
});

test('another spec for the same container replaces it', async () => {
  const first = bed.specOf('changed', 'sleep 1000');
  await bed.runtime.create(first);
  await bed.runtime.start(first.id);
  const second = { ...first, command: ['sh', '-c', 'echo second'] };
  await bed.runtime.create(second);
  assert.equal((await bed.runtime.state(first.id)).state, 'created');
  await bed.runtime.start(first.id);
  assert.equal((await endOf(bed.runtime, first.id)).exitCode, 0);
  assert.equal(await outputOf(first.logFile), 'second');
  await bed.runtime.delete(first.id);
});

test('a command that the image lacks, or cannot run, is told as that', async () => {
  for (const command of [['nothing'], ['/bin/nothing'], ['/etc/passwd'], ['/etc']]) {
    const spec = bed.specOf('wrong', '', { command });
    await assert.rejects(bed.runtime.create(spec), hasCode('NODE_COMMAND_MISSING'), command[0]);
    assert.equal((await bed.runtime.state(spec.id)).state, 'absent');
  }
  assert.deepEqual(await leftOf(bed.prefix), []);
});

test('what the runtime refuses is told in its words, and leaves nothing', async () => {
  const nowhere = join(bed.folder, 'nowhere');
  const wrong = [
    { rootFolder: nowhere },
    { networkNamespace: nowhere },
    { mounts: [{ source: nowhere, target: '/volume', isReadOnly: true }] },
  ];
  for (const changes of wrong) {
    await assert.rejects(
      bed.runtime.create(bed.specOf('refused', 'true', changes)),
      (error: unknown) => hasCode('NODE_CONTAINER_FAILED')(error) && /nowhere/.test(String(error)),
    );
  }
  const secret = bed.specOf('refused', 'true', {
    env: { TOKEN: 'hunter2' },
    rootFolder: nowhere,
  });
  await assert.rejects(
    bed.runtime.create(secret),
    (error) => !/hunter2/.test(JSON.stringify(error)),
  );
  assert.deepEqual(await leftOf(bed.prefix), []);
});

test('many containers are made and started at once', async () => {
  const specs = Array.from({ length: 8 }, (_none, number) =>
    bed.specOf(`many-${number}`, 'exit 4'),
  );
  await Promise.all(
    specs.map(async (spec) => {
      await Promise.all([bed.runtime.create(spec), bed.runtime.create(spec)]);
      await bed.runtime.start(spec.id);
      assert.equal((await endOf(bed.runtime, spec.id)).exitCode, 4);
    }),
  );
  assert.deepEqual(await bed.runtime.list(), specs.map(({ id }) => id).toSorted());
  await Promise.all(specs.map(({ id }) => bed.runtime.delete(id)));
  assert.deepEqual(await bed.runtime.list(), []);
});

test('every end is told: of those before one listens, and of those after', async () => {
  const seen = new Set<string>();
  const early = bed.specOf('early', 'true');
  await bed.runtime.create(early);
  await bed.runtime.start(early.id);
  await endOf(bed.runtime, early.id);
  const late = bed.specOf('late', 'true');
  {
    using _listening = bed.runtime.onExit((id) => seen.add(id));
    await bed.runtime.create(late);
    await bed.runtime.start(late.id);
    await waitFor(() => seen.size === 2, { timeoutMs: 60_000, what: 'two ends' });
  }
  assert.deepEqual([...seen].toSorted(), [early.id, late.id].toSorted());
  for (const { id } of [early, late]) await bed.runtime.delete(id);
});

test('commands run in a container as whom and where they are told to', async () => {
  const spec = bed.specOf('host', 'sleep 1000', {
    limits: { cpuMilli: 500, memoryBytes: 2 ** 26, pids: 64 },
  });
  await bed.runtime.create(spec);
  const how = {
    env: { PATH: '/bin', WORD: "it's" },
    cwd: '/tmp',
    user: { uid: 1_000, gid: 1_001, groups: [44] },
    isElevated: false,
  };
  await assert.rejects(
    bed.runtime.exec(spec.id, { ...how, command: ['true'] }),
    hasCode('NODE_CONTAINER_NOT_RUNNING'),
  );
  await bed.runtime.start(spec.id);
  const line =
    'id -u; id -G; pwd; echo $WORD; cat; grep Seccomp: /proc/self/status; echo bad >&2; exit 5';
  const said = await bed.runtime.exec(spec.id, { ...how, command: ['sh', '-c', line] });
  said.stdin.end('from outside\n');
  const [output, errors, exitCode] = await Promise.all([
    text(said.stdout),
    text(said.stderr),
    said.exited,
  ]);
  assert.equal(output, "1000\n1001 44\n/tmp\nit's\nfrom outside\nSeccomp:\t2\n");
  assert.deepEqual([errors, exitCode], ['bad\n', 5]);
  const missing = await bed.runtime.exec(spec.id, { ...how, command: ['nothing'] });
  missing.stdout.resume();
  missing.stderr.resume();
  await assert.rejects(missing.exited, hasCode('NODE_COMMAND_MISSING'));
  const endless = await bed.runtime.exec(spec.id, { ...how, command: ['sleep', '1000'] });
  endless.stdout.resume();
  endless.stderr.resume();
  await endless.kill();
  assert.equal(await endless.exited, 137);
  await bed.runtime.delete(spec.id);
});

test('commands of one tenant leave room for those of others', async () => {
  const limits = { cpuMilli: 2_000, memoryBytes: 2 ** 28, pids: 512 };
  const greedy = bed.specOf('greedy', 'sleep 1000', { limits });
  const modest = { ...bed.specOf('modest', 'sleep 1000'), uidStart: greedy.uidStart + 1 };
  const how = {
    ...{ env: { PATH: '/bin' }, cwd: '/', user: { uid: 0, gid: 0, groups: [] } },
    ...{ isElevated: false, command: ['sleep', '1000'] },
  };
  for (const spec of [greedy, modest]) {
    await bed.runtime.create(spec);
    await bed.runtime.start(spec.id);
  }
  const exec = async (id: string) => {
    const process = await bed.runtime.exec(id, how);
    process.stdout.resume();
    process.stderr.resume();
    return process;
  };
  const tried = await Promise.allSettled(Array.from({ length: 20 }, () => exec(greedy.id)));
  const running = tried.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const refused = tried.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  assert.deepEqual([running.length, refused.length], [16, 4]);
  assert.ok(refused.every((error) => isGridError(error, 'NODE_EXEC_FULL')));
  await (await exec(modest.id)).kill();
  await Promise.all(running.map((process) => process.kill()));
  await (await exec(greedy.id)).kill();
  await Promise.all([bed.runtime.delete(greedy.id), bed.runtime.delete(modest.id)]);
});

test('a command in a terminal sees its size, and each other that it is given', async () => {
  const spec = bed.specOf('terminal', 'sleep 1000');
  await bed.runtime.create(spec);
  await bed.runtime.start(spec.id);
  const shell = await bed.runtime.exec(spec.id, {
    ...{ command: ['sh'], env: { PATH: '/bin', PS1: '$ ' }, cwd: '/', isElevated: false },
    ...{ user: { uid: 0, gid: 0, groups: [] }, terminal: { rows: 30, columns: 100 } },
  });
  let screen = '';
  shell.stdout.setEncoding('utf8').on('data', (part: string) => (screen += part));
  shell.stderr.resume();
  const shows = (what: RegExp): Promise<unknown> =>
    waitFor(() => what.test(screen), { timeoutMs: 60_000, what: `${what} on the screen` });
  shell.stdin.write('stty size\n');
  await shows(/\n30 100\r\n/);
  await shell.resize({ rows: 40, columns: 120 });
  shell.stdin.write('stty size\n');
  await shows(/\n40 120\r\n/);
  shell.stdin.write('tty; exit 9\n');
  assert.equal(await shell.exited, 9);
  assert.match(screen, /\/dev\/pts\/0/);
  await bed.runtime.delete(spec.id);
});

test('what is typed before a command listens comes to it, whole and once', async () => {
  const spec = bed.specOf('slow', 'sleep 1000');
  await bed.runtime.create(spec);
  await bed.runtime.start(spec.id);
  const slow = 'sleep 1; stty -echo; while read -r line; do echo "<$line>"; done; exit 9';
  const shell = await bed.runtime.exec(spec.id, {
    ...{ command: ['sh', '-c', slow], env: { PATH: '/bin' }, cwd: '/', isElevated: false },
    ...{ user: { uid: 0, gid: 0, groups: [] }, terminal: { rows: 30, columns: 100 } },
  });
  let screen = '';
  shell.stdout.setEncoding('utf8').on('data', (part: string) => (screen += part));
  shell.stderr.resume();
  // More than a terminal takes before somebody reads.
  const lines = Array.from({ length: 300 }, (_line, n) => `${n} ${'x'.repeat(100)}`);
  for (const line of lines) shell.stdin.write(`${line}\n`);
  shell.stdin.end();
  assert.equal(await shell.exited, 9);
  const answers = [...screen.matchAll(/<(\d+ x+)>/g)].map(([, line]) => line);
  assert.deepEqual(answers, lines);
  const shown = screen.split('\r\n').filter((line) => line === lines[0]);
  assert.equal(shown.length, 1, 'its terminal shows what is typed, and no other');
  await bed.runtime.delete(spec.id);
});

test('a log goes on in a new file once it is reopened', async () => {
  const spec = bed.specOf('logging', 'while :; do echo tick; sleep 0.02; done');
  await bed.runtime.create(spec);
  await bed.runtime.start(spec.id);
  const ticks = (path: string): Promise<boolean> =>
    readFile(path, 'utf8').then(
      (said) => said.includes('tick'),
      () => false,
    );
  await waitFor(() => ticks(spec.logFile), { timeoutMs: 60_000, what: 'a first line' });
  await rename(spec.logFile, `${spec.logFile}.1`);
  assert.equal(await bed.runtime.reopenLog(spec.id), true);
  await waitFor(() => ticks(spec.logFile), { timeoutMs: 60_000, what: 'a line in the new file' });
  assert.equal(await ticks(`${spec.logFile}.1`), true);
  await bed.runtime.delete(spec.id);
  assert.equal(await bed.runtime.reopenLog(spec.id), false);
});

test('containers outlive the runtime, and after a reboot what ran is absent', async () => {
  const running = bed.specOf('long', 'sleep 1000');
  const done = bed.specOf('done', 'exit 6');
  for (const spec of [running, done]) {
    await bed.runtime.create(spec);
    await bed.runtime.start(spec.id);
  }
  await endOf(bed.runtime, done.id);
  const seen = await bed.runtime.state(running.id);
  await bed.reopen();
  assert.deepEqual(await bed.runtime.state(running.id), seen);
  // A reboot ends all processes at once, and empties /run and the cgroups.
  await bed.runtime.close();
  const bundle = join(bed.options.folder, running.id);
  for (const file of ['conmon.pid', 'pid']) {
    process.kill(Number(await readFile(join(bundle, file), 'utf8')), 'SIGKILL');
  }
  const runFolder = runFolderOf(bed.prefix);
  await runProgram('umount', [join(runFolder, 'sys')]);
  await rm(runFolder, { recursive: true });
  await mkdir(runFolder, { mode: 0o711 });
  const runtime = await bed.reopen();
  assert.equal((await runtime.state(running.id)).state, 'absent');
  assert.equal((await endOf(runtime, done.id)).exitCode, 6, 'what had ended is still known');
  assert.deepEqual(await runtime.list(), [running.id, done.id].toSorted());
  await runtime.create(running);
  await runtime.start(running.id);
  assert.equal((await runtime.state(running.id)).state, 'running');
  for (const { id } of [running, done]) await runtime.delete(id);
});

test('a runtime that cannot find its programs says what to install', async () => {
  const options = { folder: join(bed.folder, 'none'), prefix: `${bed.prefix}n` };
  await assert.rejects(
    ContainerRuntime.open({ ...options, runc: join(bed.folder, 'nowhere', 'runc') }),
    hasCode('NODE_FEATURE_MISSING'),
  );
  assert.equal((await bed.runtime.state(shortIdOf('unknown'))).state, 'absent');
});
