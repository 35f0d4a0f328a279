import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { ZdbFleet } from '../src/testing/zdb-fleet.ts';
import { SmallFiles } from './support/small-files.ts';

const isLong = process.env['GRID_TEST_LONG'] === '1';
/** Heads that run at a time: most of what they do is wait. */
const headsAtATime = 5;

interface Outcome {
  readonly steps: readonly string[];
  readonly kept: readonly string[];
  /** Each of these may be there or not: it was killed before it heard. */
  readonly unsure: readonly string[];
}

/** @param step at which it is killed, and which time; without one it ends by itself */
async function run(options: object, step = '', time = 0): Promise<Outcome> {
  const { NODE_TEST_CONTEXT: _runner, ...env } = process.env;
  const program = join(import.meta.dirname, 'processes/tidy-head.ts');
  const words = [program, JSON.stringify(options), step, String(time)];
  const child = spawn(process.execPath, words, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const [printed, [code, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  assert.deepEqual([code, signal], step === '' ? [0, null] : [null, 'SIGKILL']);
  const lines = printed.trim().split('\n');
  const said = (word: string): string[] =>
    lines.flatMap((line) => (line.startsWith(`${word} `) ? line.slice(word.length + 1) : []));
  const removing = said('removing');
  const kept = said('put').filter((name) => !removing.includes(name));
  return { steps: said('step'), kept, unsure: removing.slice(-1) };
}

test('a head that is killed between any two steps loses nothing, and leaves nothing', async () => {
  await using fleet = await ZdbFleet.open(6);
  const optionsOf = async (name: string): Promise<{ folder: string; backendsFile: string }> => {
    return { folder: join(fleet.folder, name), backendsFile: await fleet.makeStore(name) };
  };
  const { steps } = await run(await optionsOf('whole'));
  const counts = [...Map.groupBy(steps, (step) => step)].map(([step, { length }]) => {
    return [step, length] as const;
  });
  assert.ok(steps.includes('objects are read from the new pack'), steps.join());
  // Half of the times of each: how often a backend is asked may differ a little.
  const kills = counts.flatMap(([step, count]) => {
    const half = Math.ceil(count / 2);
    const times = isLong ? Array.from({ length: half }, (_, at) => at + 1) : [half];
    return times.map((time) => [step, time] as const);
  });
  const left = kills.entries();
  const work = async (): Promise<void> => {
    for (const [at, [step, time]] of left) {
      const options = await optionsOf(`killed-${at}`);
      const { kept, unsure } = await run(options, step, time);
      const where = `killed when ${step}, time ${time}`;
      await using files = await SmallFiles.open(options);
      const there = files.names();
      const sure = there.filter((name) => !unsure.includes(name));
      assert.deepEqual(sure.toSorted(), kept.toSorted(), where);
      for (const name of there) assert.equal(await files.isWhole(name), true, `${where}: ${name}`);
      await files.store.collection.runNow();
      await files.store.collection.runNow();
      assert.deepEqual(await files.leftOver(), [], where);
      for (const name of there) assert.equal(await files.isWhole(name), true, `${where}: ${name}`);
    }
  };
  await Promise.all(Array.from({ length: headsAtATime }, work));
});
