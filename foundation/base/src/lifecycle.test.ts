import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delay } from './clock.ts';
import { closeOnce, TaskGroup } from './lifecycle.ts';
import { ManualClock } from './testing/index.ts';

test('closeOnce runs the close once and gives every caller the same end', async () => {
  let runs = 0;
  const close = closeOnce(async () => {
    runs++;
    throw new Error('cannot');
  });
  await assert.rejects(close(), { message: 'cannot' });
  await assert.rejects(close(), { message: 'cannot' });
  assert.equal(runs, 1);
});

test('task group waits for its tasks when it closes', async () => {
  const errors: string[] = [];
  const group = new TaskGroup({
    onError: (error, name) => errors.push(`${name}: ${String(error)}`),
  });
  const clock = new ManualClock();
  let isCleaned = false;
  group.start('polite', async (signal) => {
    try {
      await delay(1000, { signal, clock });
    } finally {
      isCleaned = true;
    }
  });
  group.start('broken', () => Promise.reject(new Error('no')));
  assert.equal(group.size, 2);
  await group.close();
  await group.close();
  assert.equal(isCleaned, true);
  assert.deepEqual(errors, ['broken: Error: no']);
  assert.throws(() => group.start('late', async () => {}), { code: 'BASE_CLOSED' });
});

test('task group refuses more tasks than its limit', async () => {
  await using group = new TaskGroup({
    maxTasks: 1,
    onError: (error) => assert.fail(String(error)),
  });
  const gate = Promise.withResolvers<void>();
  group.start('one', () => gate.promise);
  assert.throws(() => group.start('two', async () => {}), { code: 'BASE_TASKS_FULL' });
  gate.resolve();
});
