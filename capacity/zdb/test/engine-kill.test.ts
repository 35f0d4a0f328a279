import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { test } from 'node:test';
import { delay, seededRandom, withTimeout } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { Store } from '../src/engine/store.ts';
import { reproducible, testSeed } from './support/engine-crash.ts';
import { WireLoad } from './support/wire-load.ts';

const ROUNDS = process.env['GRID_TEST_LONG'] === '1' ? 300 : 40;
/** A machine with much other work has taken 40 s. */
const START_MS_MAX = 120_000;
const NAMESPACES = ['one', 'two', 'three', 'four'];
const CHILD = path.join(import.meta.dirname, 'processes/killed-server.ts');

async function startServer(
  dataDir: string,
  durability: string,
): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [CHILD, dataDir, durability], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { stdout } = child;
  assert.ok(stdout !== null);
  try {
    const printed = await withTimeout(() => once(stdout, 'data'), {
      what: 'the port of the server',
      timeoutMs: START_MS_MAX,
    });
    return { child, port: Number(String(printed[0])) };
  } catch (error) {
    await kill(child);
    throw error;
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

for (const durability of ['always', 'everysec']) {
  test(`server that is killed keeps what it acknowledged, ${durability}`, async () => {
    const seed = testSeed();
    const random = seededRandom(`${seed}/${durability}`);
    await using temp = await tempFolder('kill');
    const loads = NAMESPACES.map((name) => new WireLoad(name, seededRandom(`${seed}/${name}`)));
    for (let round = 0; round < ROUNDS / 2; round++) {
      const { child, port } = await startServer(temp.path, durability);
      try {
        for (const load of loads) {
          await load.connect(port);
          const faults = load.settle(await load.read());
          assert.deepEqual(faults, [], reproducible(seed, round, faults));
        }
        const running = loads.map((load) => load.run());
        // The moment of death is what is random here: nothing can be waited for.
        await delay(random.int(10, 200));
        await kill(child);
        await Promise.all(running);
      } finally {
        await kill(child);
        await Promise.all(loads.map((load) => load.close()));
      }
    }
    const replies = loads.reduce((sum, load) => sum + load.acknowledgedCount, 0);
    assert.ok(replies > ROUNDS * 10, `only ${replies} commands were acknowledged`);
    const store = await Store.open({ folder: temp.path });
    assert.equal(store.readOnlyReason, undefined);
    await store.close();
  });
}
