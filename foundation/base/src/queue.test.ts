import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { BoundedQueue } from './queue.ts';

test('queue refuses a value when it is full', () => {
  const queue = new BoundedQueue<number>(2);
  queue.push(1);
  queue.push(2);
  assert.throws(() => queue.push(3), { code: 'BASE_QUEUE_FULL', retryable: true });
  assert.equal(queue.tryShift(), 1);
  queue.push(3);
  assert.equal(queue.size, 2);
});

test('queue refuses a limit below one', () => {
  for (const limit of [0, -1, 1.5, NaN]) {
    assert.throws(() => new BoundedQueue(limit), { code: 'BASE_OPTION_INVALID' });
  }
});

test('queue admits waiting producers in order when consumers take', async () => {
  const queue = new BoundedQueue<string>(1);
  queue.push('a');
  const order: string[] = [];
  const waiting = [
    queue.pushWhenFree('b').then(() => order.push('b in')),
    queue.pushWhenFree('c').then(() => order.push('c in')),
  ];
  assert.deepEqual([queue.tryShift(), queue.size], ['a', 1]);
  assert.throws(() => queue.push('x'), { code: 'BASE_QUEUE_FULL' });
  assert.deepEqual([await queue.shift(), await queue.shift()], ['b', 'c']);
  await Promise.all(waiting);
  assert.deepEqual(order, ['b in', 'c in']);
});

test('queue gives each value to the consumer that waited longest', async () => {
  const queue = new BoundedQueue<number>(1);
  const taken = [queue.shift(), queue.shift()];
  queue.push(1);
  queue.push(2);
  assert.deepEqual(await Promise.all(taken), [1, 2]);
  assert.equal(queue.size, 0);
});

test('queue loses nothing when a waiting consumer or producer gives up', async () => {
  const queue = new BoundedQueue<number>(1);
  const controller = new AbortController();
  const shift = queue.shift({ signal: controller.signal });
  controller.abort();
  await assert.rejects(shift, { code: 'BASE_ABORTED' });
  queue.push(1);

  const second = new AbortController();
  const push = queue.pushWhenFree(2, { signal: second.signal });
  second.abort();
  await assert.rejects(push, { code: 'BASE_ABORTED' });
  assert.deepEqual([queue.tryShift(), queue.tryShift()], [1, undefined]);
});

test('queue hands out the rest after close and then ends', async () => {
  const queue = new BoundedQueue<number>(2);
  queue.push(1);
  queue.push(2);
  const late = assert.rejects(queue.pushWhenFree(3), { code: 'BASE_CLOSED' });
  queue.close();
  queue.close();
  await late;
  assert.throws(() => queue.push(4), { code: 'BASE_CLOSED' });
  const rest: number[] = [];
  for await (const value of queue) rest.push(value);
  assert.deepEqual(rest, [1, 2]);
});

test('queue wakes waiting consumers with undefined when it closes', async () => {
  const queue = new BoundedQueue<number>(1);
  const waiting = queue.shift();
  queue.close();
  assert.equal(await waiting, undefined);
});

test('queue behaves as an array of limited length under any order of calls', () => {
  const steps = fc.array(fc.boolean(), { maxLength: 200 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), steps, (limit, pushes) => {
      const queue = new BoundedQueue<number>(limit);
      const model: number[] = [];
      for (const [step, isPush] of pushes.entries()) {
        if (!isPush) {
          assert.equal(queue.tryShift(), model.shift());
        } else if (model.length < limit) {
          queue.push(step);
          model.push(step);
        } else {
          assert.throws(() => queue.push(step), { code: 'BASE_QUEUE_FULL' });
        }
        assert.equal(queue.size, model.length);
      }
    }),
  );
});
