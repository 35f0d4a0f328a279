import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onShutdownSignals } from '../src/index.ts';
import { startChild } from './child.ts';

test('shutdownSignal fires at the first signal and lets the process end by itself', async () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    await using child = startChild('wait-for-shutdown.ts');
    assert.equal(await child.nextLine(), 'ready');
    child.process.kill(signal);
    assert.equal(await child.nextLine(), signal);
    assert.equal(await child.ended(), 0);
  }
});

test('shutdownSignal leaves a second signal its power to end the process at once', async () => {
  await using child = startChild('wait-for-shutdown.ts', ['stubborn']);
  assert.equal(await child.nextLine(), 'ready');
  child.process.kill('SIGTERM');
  assert.equal(await child.nextLine(), 'SIGTERM');
  child.process.kill('SIGINT');
  assert.equal(await child.ended(), 'SIGINT');
});

test('onShutdownSignals removes its listeners when disposed', () => {
  const before = process.listenerCount('SIGTERM');
  const listening = onShutdownSignals(() => {});
  assert.equal(process.listenerCount('SIGTERM'), before + 1);
  listening[Symbol.dispose]();
  assert.equal(process.listenerCount('SIGTERM'), before);
});
