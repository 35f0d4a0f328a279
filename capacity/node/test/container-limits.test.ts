import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { after, before, test } from 'node:test';

import { waitFor } from '@commongrid/base';

import { containerBed, endOf, outputOf } from './support/container-bed.ts';
import type { ContainerBed } from './support/container-bed.ts';

let bed: ContainerBed;

before(async () => {
  bed = await containerBed();
});

after(async () => {
  await bed[Symbol.asyncDispose]();
});

const memoryBytes = 48 * 1024 * 1024;

test('a container with one CPU uses no more, with as many programs as it likes', async () => {
  const limits = { cpuMilli: 1_000, memoryBytes, pids: 32 };
  const spec = bed.specOf('spinning', 'for i in 1 2 3 4; do (while :; do :; done) & done; wait', {
    limits,
  });
  await bed.runtime.create(spec);
  await bed.runtime.start(spec.id);
  const used = async (): Promise<number> => (await bed.runtime.stats(spec.id))?.cpuUsageUs ?? 0;
  const startedAtUs = performance.now() * 1_000;
  const usedBefore = await used();
  await waitFor(async () => (await used()) - usedBefore > 800_000, {
    timeoutMs: 60_000,
    what: 'the container to use its CPU',
  });
  const cores = ((await used()) - usedBefore) / (performance.now() * 1_000 - startedAtUs);
  assert.ok(cores <= 1.1, `${cores} cores`);
  await bed.runtime.delete(spec.id);
});

test('part of a CPU is a part of its time', async () => {
  const limits = { cpuMilli: 200, memoryBytes, pids: 32 };
  const spec = bed.specOf('slow', 'while :; do :; done', { limits });
  await bed.runtime.create(spec);
  await bed.runtime.start(spec.id);
  const used = async (): Promise<number> => (await bed.runtime.stats(spec.id))?.cpuUsageUs ?? 0;
  const startedAtUs = performance.now() * 1_000;
  const usedBefore = await used();
  await waitFor(async () => (await used()) - usedBefore > 300_000, {
    timeoutMs: 60_000,
    what: 'the container to use its part',
  });
  // One period of the scheduler more may be under way.
  const tookUs = performance.now() * 1_000 - startedAtUs + 100_000;
  assert.ok(((await used()) - usedBefore) / tookUs <= 0.25, `${tookUs} µs`);
  await bed.runtime.delete(spec.id);
});

test('a container with a whole number of CPUs sees as many', async () => {
  const limits = { cpuMilli: 1_000, memoryBytes, pids: 32 };
  assert.equal((await bed.run('nproc', { limits })).output, '1');
  const all = availableParallelism();
  const ofAll = { ...limits, cpuMilli: all * 1_000 };
  assert.equal((await bed.run('nproc', { limits: ofAll })).output, String(all));
});

test('two containers with a CPU each are made at once on two of them', async () => {
  const limits = { cpuMilli: 1_000, memoryBytes, pids: 32 };
  const line = 'grep Cpus_allowed_list /proc/self/status; sleep 1000';
  const specs = ['first', 'second'].map((name) => bed.specOf(name, line, { limits }));
  await Promise.all(specs.map((spec) => bed.runtime.create(spec)));
  await Promise.all(specs.map((spec) => bed.runtime.start(spec.id)));
  const seen = await Promise.all(
    specs.map(({ logFile }) =>
      waitFor(() => outputOf(logFile), { timeoutMs: 60_000, what: 'what a container sees' }),
    ),
  );
  const expected = availableParallelism() > 1 ? 2 : 1;
  assert.equal(new Set(seen).size, expected, seen.join());
  for (const { id } of specs) await bed.runtime.delete(id);
});

test('a container that uses more memory than it has is shown as out of memory', async () => {
  const spec = bed.specOf('hungry', 'tail /dev/zero', {
    limits: { cpuMilli: 1_000, memoryBytes: 16 * 1024 * 1024, pids: 32 },
  });
  await bed.runtime.create(spec);
  await bed.runtime.start(spec.id);
  const ended = await endOf(bed.runtime, spec.id);
  assert.equal(ended.exitCode, 137);
  assert.equal(ended.isOutOfMemory, true);
  assert.ok(((await bed.runtime.stats(spec.id))?.oomKills ?? 0) > 0);
  await bed.reopen();
  assert.equal((await endOf(bed.runtime, spec.id)).isOutOfMemory, true);
  await bed.runtime.delete(spec.id);
});

test('files in memory count as memory', async () => {
  const limits = { cpuMilli: 1_000, memoryBytes: 16 * 1024 * 1024, pids: 32 };
  const { exitCode } = await bed.run('dd if=/dev/zero of=/dev/shm/x bs=1M count=40', { limits });
  assert.notEqual(exitCode, 0);
});

test('a container that was killed is not shown as out of memory', async () => {
  const spec = bed.specOf('killed', 'sleep 1000');
  await bed.runtime.create(spec);
  await bed.runtime.start(spec.id);
  await bed.runtime.kill(spec.id, 'SIGKILL');
  const ended = await endOf(bed.runtime, spec.id);
  assert.deepEqual([ended.exitCode, ended.isOutOfMemory], [137, false]);
  await bed.runtime.delete(spec.id);
});

test('a fork bomb fills its own container and nothing else', async () => {
  const limits = { cpuMilli: 500, memoryBytes, pids: 40 };
  const spec = bed.specOf('bomb', 'bomb() { bomb | bomb & }; bomb; sleep 1000', { limits });
  await bed.runtime.create(spec);
  await bed.runtime.start(spec.id);
  await waitFor(async () => (await outputOf(spec.logFile)).includes('fork'), {
    timeoutMs: 60_000,
    what: 'the fork bomb to be refused',
  });
  assert.ok(((await bed.runtime.stats(spec.id))?.pids ?? 0) <= 40);
  assert.equal((await bed.run('echo others run')).output, 'others run');
  await bed.runtime.delete(spec.id);
  assert.equal((await bed.runtime.state(spec.id)).state, 'absent');
});

test('the usage of a container is told, and of none that is not there', async () => {
  const spec = bed.specOf('idle', 'sleep 1000');
  await bed.runtime.create(spec);
  await bed.runtime.start(spec.id);
  const usage = await bed.runtime.stats(spec.id);
  assert.ok(usage !== undefined && usage.memoryBytes > 0 && usage.cpuUsageUs > 0);
  assert.equal(usage.oomKills, 0);
  assert.ok(usage.pids >= 1);
  await bed.runtime.delete(spec.id);
  assert.equal(await bed.runtime.stats(spec.id), undefined);
});
