import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@commongrid/base/testing';
import { Confirmation } from './confirmation.ts';

function setUp(awaitsDisk = true): {
  confirmation: Confirmation;
  clock: ManualClock;
  confirmed: number[];
  expired: number[];
} {
  const clock = new ManualClock();
  const confirmed: number[] = [];
  const expired: number[] = [];
  const confirmation = new Confirmation(
    {
      awaitsDisk,
      timeoutMs: 1000,
      clock,
      onConfirmed: (ticket) => confirmed.push(ticket),
      onExpired: (ticket) => expired.push(ticket),
    },
    10,
  );
  return { confirmation, clock, confirmed, expired };
}

test('confirmation without replicas follows the disk', () => {
  const { confirmation, confirmed } = setUp();
  confirmation.begin(10, 0);
  assert.equal(confirmation.confirmed, 10);
  confirmation.durable(12);
  assert.deepEqual([confirmation.confirmed, confirmed], [12, [12]]);
});

test('confirmation that does not wait for the disk waits for the files alone', () => {
  const { confirmation, confirmed } = setUp(false);
  confirmation.begin(10, 0, 11);
  assert.equal(confirmation.confirmed, 11);
  confirmation.durable(14);
  assert.deepEqual([confirmation.confirmed, confirmed], [11, []]);
  confirmation.written(15);
  assert.deepEqual([confirmation.confirmed, confirmed], [15, [15]]);
});

test('confirmation waits for so many replicas, whichever they are', () => {
  const { confirmation, confirmed } = setUp();
  confirmation.begin(10, 2);
  confirmation.durable(20);
  confirmation.acknowledged('a', 20);
  assert.deepEqual(confirmed, []);
  confirmation.acknowledged('b', 15);
  confirmation.acknowledged('c', 17);
  assert.deepEqual(confirmed, [15, 17]);
  confirmation.acknowledged('b', 20);
  assert.deepEqual(confirmed, [15, 17, 20]);
});

test('confirmation does not run ahead of the disk here', () => {
  const { confirmation, confirmed } = setUp();
  confirmation.begin(10, 1);
  confirmation.acknowledged('a', 30);
  assert.deepEqual(confirmed, []);
  confirmation.durable(12);
  assert.deepEqual(confirmed, [12]);
});

test('confirmation gives up what is late, and that does not hold up what follows', async () => {
  const { confirmation, clock, confirmed, expired } = setUp();
  confirmation.begin(10, 1);
  confirmation.durable(11);
  await clock.advance(500);
  confirmation.durable(12);
  await clock.advance(600);
  assert.deepEqual([expired, confirmed], [[11], []]);
  assert.equal(confirmation.confirmed, 11);
  confirmation.acknowledged('a', 12);
  assert.deepEqual([expired, confirmed], [[11], [12]]);
  await clock.advance(5000);
  assert.deepEqual([expired, clock.timerCount], [[11], 0]);
});

test('confirmation counts a replica that left only for what it had', () => {
  const { confirmation, confirmed } = setUp();
  confirmation.begin(10, 1);
  confirmation.acknowledged('a', 11);
  confirmation.durable(12);
  confirmation.left('a');
  assert.deepEqual(confirmed, [11]);
});

test('confirmation of a log that was cut does not take old tickets for new ones', () => {
  const { confirmation, confirmed } = setUp();
  confirmation.begin(10, 0);
  confirmation.durable(50);
  confirmation.begin(20, 0);
  assert.equal(confirmation.confirmed, 20);
  assert.ok(confirmation.ticketOf(21) > 50);
  confirmation.durable(21);
  assert.deepEqual(confirmed, [50, confirmation.ticketOf(21)]);
});

test('confirmation that ends tells those who still wait for replicas', () => {
  const { confirmation, expired, clock } = setUp();
  confirmation.begin(10, 1);
  confirmation.durable(12);
  confirmation.begin(12, 0);
  assert.deepEqual([expired, clock.timerCount], [[12], 0]);
});
