import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mutex } from './mutex.ts';

test('mutex runs callers one at a time in order of arrival', async () => {
  const mutex = new Mutex();
  const events: string[] = [];
  const job = (name: string) => async (): Promise<string> => {
    events.push(`${name} in`);
    await new Promise((resolve) => setImmediate(resolve));
    events.push(`${name} out`);
    return name;
  };
  const results = await Promise.all(['a', 'b', 'c'].map((name) => mutex.run(job(name))));
  assert.deepEqual(results, ['a', 'b', 'c']);
  assert.deepEqual(events, ['a in', 'a out', 'b in', 'b out', 'c in', 'c out']);
});

test('mutex goes on after a caller failed', async () => {
  const mutex = new Mutex();
  const failing = mutex.run(() => {
    throw new Error('mine');
  });
  await assert.rejects(failing, { message: 'mine' });
  assert.equal(await mutex.run(() => 'next'), 'next');
});

test('mutex lets a caller leave the line', async () => {
  const mutex = new Mutex();
  const gate = Promise.withResolvers<void>();
  const first = mutex.run(() => gate.promise);
  const controller = new AbortController();
  const second = mutex.run(() => assert.fail('ran'), { signal: controller.signal });
  const third = mutex.run(() => 'third');
  controller.abort();
  await assert.rejects(second, { code: 'BASE_ABORTED' });
  assert.equal(mutex.waitingCount, 1);
  gate.resolve();
  await first;
  assert.equal(await third, 'third');
});

test('mutex refuses a line that is too long', async () => {
  const mutex = new Mutex({ maxWaiting: 1 });
  const gate = Promise.withResolvers<void>();
  const first = mutex.run(() => gate.promise);
  const second = mutex.run(() => 2);
  await assert.rejects(
    mutex.run(() => 3),
    { code: 'BASE_QUEUE_FULL' },
  );
  gate.resolve();
  await first;
  assert.equal(await second, 2);
});
