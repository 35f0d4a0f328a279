import assert from 'node:assert/strict';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { identityOf, isAlive, waitFor } from '@commongrid/base';
import type { ProcessIdentity } from '@commongrid/base';

import { containerBed, endOf, leftOf } from './support/container-bed.ts';
import type { ContainerBed } from './support/container-bed.ts';

let bed: ContainerBed;
const within = { timeoutMs: 60_000, everyMs: 20 };

before(async () => {
  bed = await containerBed();
});

after(async () => {
  await bed[Symbol.asyncDispose]();
});

/** In the future, by the clock of the machine's run: no test is too slow for it. */
const later = 3_600_000;

/** Says as an agent does that the node was heard, so long from now. */
async function hear(heardFile: string, inMs: number): Promise<void> {
  await writeFile(`${heardFile}.new`, `boot ${Math.max(0, Math.floor(uptime() * 1000 + inMs))}\n`);
  await rename(`${heardFile}.new`, heardFile);
}

async function guardOf(id: string): Promise<ProcessIdentity> {
  const text = await readFile(join(bed.options.folder, id, 'guard.pid'), 'utf8');
  const found = await identityOf(Number(text));
  assert.ok(found, 'there is a guard');
  return found;
}

/** A container that runs, whose guard, if it has one, has to kill it an hour from now. */
async function started(name: string, line: string, isGuarded: boolean) {
  const spec = bed.specOf(name, line);
  const { id } = spec;
  const limit = { heardFile: join(bed.folder, `heard-${id}`), cutOffMs: 1 };
  await hear(limit.heardFile, later);
  await bed.runtime.create(spec);
  await bed.runtime.start(id, isGuarded ? limit : undefined);
  return { id, limit, state: async () => (await bed.runtime.state(id)).state };
}

test('a single writer is killed once its node was not heard for so long, and others never are', async () => {
  const other = await started('other', 'exec sleep 1000', false);
  // It does not listen to requests to end.
  const line = "trap '' TERM INT HUP; while true; do sleep 1; done";
  const writer = await started('writer', line, true);
  const guard = await guardOf(writer.id);
  const children = `/proc/${guard.pid}/task/${guard.pid}/children`;
  const sleeps = async () => (await readFile(children, 'utf8')).trim() !== '';
  await waitFor(sleeps, { ...within, what: 'the guard to have looked' });
  assert.equal(await writer.state(), 'running');
  for (const one of [writer, other]) await hear(one.limit.heardFile, -10);
  const ended = await endOf(bed.runtime, writer.id);
  assert.equal(ended.exitCode, 137);
  await waitFor(async () => !(await isAlive(guard)), { ...within, what: 'the end of the guard' });
  assert.equal(await other.state(), 'running');
  await bed.runtime.delete(writer.id);
  await bed.runtime.delete(other.id);
  assert.deepEqual(await leftOf(bed.prefix), []);
});

test('what stands still is killed, too', async () => {
  const writer = await started('frozen', 'exec sleep 1000', true);
  await bed.runtime.pause(writer.id);
  await hear(writer.limit.heardFile, -10);
  await endOf(bed.runtime, writer.id);
  await bed.runtime.delete(writer.id);
});

test('a guard is there once, again when it is missing, and goes with its container', async () => {
  const { id, limit } = await started('guarded', 'exec sleep 1000', true);
  const first = await guardOf(id);
  await bed.runtime.guard(id, limit);
  assert.deepEqual(await guardOf(id), first);
  process.kill(-first.pid, 'SIGKILL');
  await waitFor(async () => !(await isAlive(first)), { ...within, what: 'the end of the guard' });
  await bed.reopen();
  await bed.runtime.guard(id, limit);
  const second = await guardOf(id);
  assert.notDeepEqual(second, first);
  await bed.runtime.delete(id);
  assert.equal(await isAlive(second), false);
  // There is nothing to watch over.
  await bed.runtime.guard(id, limit);
});

test('a guard whose container was taken away by others leaves one of the same name alone', async () => {
  const { id, limit } = await started('renewed', 'exec sleep 1000', true);
  const guard = await guardOf(id);
  // As an agent does that does not know of guards.
  await rm(join(bed.options.folder, id, 'guard.pid'));
  await bed.runtime.delete(id);
  const next = await started('renewed', 'exec sleep 1000', false);
  assert.equal(next.id, id);
  await hear(limit.heardFile, -10);
  await waitFor(async () => !(await isAlive(guard)), { ...within, what: 'the end of the guard' });
  assert.equal(await next.state(), 'running');
  await bed.runtime.delete(id);
});
