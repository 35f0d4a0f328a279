import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { ManualClock, tempFolder } from '@commongrid/base/testing';

import { ContainerLosses } from '../src/container/container-losses.ts';

const key = 'one';

/** A process in the place of a container: its root is that of the machine. */
interface Fixture extends AsyncDisposable {
  readonly clock: ManualClock;
  isSupervised: boolean;
  /** How often guards of single writers were looked after. */
  guardLooks: number;
  /** What was told since it was asked last. */
  told(): readonly string[];
  /** Where the root of the container is mounted now. */
  mount(path: string): Promise<void>;
  /** Ends the process, and starts another in its place. */
  restart(): Promise<void>;
  end(): Promise<void>;
}

async function watchOne(): Promise<Fixture> {
  const roots = await tempFolder('roots');
  const clock = new ManualClock();
  const told: string[] = [];
  const start = () => spawn('sleep', ['1000'], { stdio: 'ignore' });
  let process = start();
  const fixture: Fixture = {
    clock,
    isSupervised: true,
    guardLooks: 0,
    told: () => told.splice(0),
    mount: async (path) => {
      await rm(join(roots.path, key), { force: true });
      await symlink(path, join(roots.path, key));
    },
    restart: async () => {
      await fixture.end();
      process = start();
    },
    end: async () => {
      const ended = once(process, 'exit');
      if (process.kill('SIGKILL')) await ended;
    },
    [Symbol.asyncDispose]: async () => {
      watch[Symbol.dispose]();
      await fixture.end();
      await roots[Symbol.asyncDispose]();
    },
  };
  await fixture.mount('/');
  const losses = new ContainerLosses({
    runtime: {
      made: async () => [key],
      isSupervised: () => fixture.isSupervised,
      pidOf: () => process.pid,
    },
    images: { revive: async () => {} },
    guards: { look: () => fixture.guardLooks++ },
    rootsFolder: roots.path,
    clock,
  });
  const watch = losses.watch((one) => told.push(one));
  await clock.advance(0);
  return fixture;
}

test('what a container lost is told at once, and then once a minute', async () => {
  await using f = await watchOne();
  await f.clock.advance(120_000);
  assert.deepEqual(f.told(), []);
  await f.mount('/proc');
  const { guardLooks } = f;
  await f.clock.advance(5_000);
  assert.ok(f.guardLooks > guardLooks, 'guards are looked after each time');
  assert.deepEqual(f.told(), [key], 'another mount than the one that it has');
  await f.clock.advance(55_000);
  assert.deepEqual(f.told(), []);
  await f.clock.advance(5_000);
  assert.deepEqual(f.told(), [key], 'whoever did not listen hears it again');
  await f.mount('/');
  await f.clock.advance(120_000);
  assert.deepEqual(f.told(), []);
});

test('what changes of a container that lost something is told at once', async () => {
  await using f = await watchOne();
  f.isSupervised = false;
  await f.clock.advance(5_000);
  assert.deepEqual(f.told(), [key], 'its conmon');
  await f.restart();
  await f.clock.advance(5_000);
  assert.deepEqual(f.told(), [key], 'that of the next one, too');
  await f.end();
  await f.clock.advance(5_000);
  assert.deepEqual(f.told(), [key], 'its end, which nobody saw');
});
