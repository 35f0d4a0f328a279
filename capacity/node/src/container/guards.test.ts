import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createLogger } from '@commongrid/base';

import { Guards } from './guards.ts';

const limit = { heardFile: '/heard', cutOffMs: 1_000 };

/** A container whose guard something killed. */
function openWriter() {
  const writer = { isRunning: true, problem: undefined as Error | undefined, asked: 0 };
  const warnings: string[] = [];
  const guards = new Guards(
    {
      isGuarded: () => false,
      guard: async () => {
        writer.asked++;
        if (writer.problem !== undefined) throw writer.problem;
        return writer.isRunning;
      },
    },
    createLogger('guards', { destination: { write: (line) => void warnings.push(line) } }),
  );
  /** Looks, and waits for what comes of it. */
  const look = async (): Promise<number> => {
    const before = writer.asked;
    guards.look();
    await new Promise(setImmediate);
    return writer.asked - before;
  };
  return { writer, warnings, guards, look };
}

test('a guard that cannot be started again is warned of once, and tried until it can', async () => {
  const { writer, warnings, guards, look } = openWriter();
  await guards.attend('writer', limit);
  for (let round = 1; round <= 2; round++) {
    writer.problem = new Error('no room for a process');
    for (let i = 0; i < 3; i++) assert.equal(await look(), 1);
    assert.equal(warnings.length, round);
    writer.problem = undefined;
    assert.equal(await look(), 1);
  }
});

test('a container that has ended is asked about no more until it runs again', async () => {
  const { writer, guards, look } = openWriter();
  await guards.attend('writer', limit);
  writer.isRunning = false;
  assert.equal(await look(), 1);
  assert.equal(await look(), 0);
  writer.isRunning = true;
  await guards.attend('writer', limit);
  assert.equal(await look(), 1);
});
