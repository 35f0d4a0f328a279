import assert from 'node:assert/strict';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';

import { BodyMemory } from './body-memory.ts';

const largest = 64 * 2 ** 20;

/** A request whose body does not come before it is pushed. */
function announcing(sizeBytes: number): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  request.headers['content-length'] = String(sizeBytes);
  return request;
}

test('bodies together have 256 MiB, and room again as soon as one is done with', async () => {
  const memory = new BodyMemory(60_000);
  const take = (request: IncomingMessage): Promise<number> =>
    memory.with(request, largest, async (body) => body.length);
  await assert.rejects(take(announcing(largest + 1)), hasCode('HUB_TOO_LARGE'));
  const [one = assert.fail(), ...others] = [1, 2, 3, 4].map(() => announcing(largest));
  const ends = [one, ...others].map((request) => take(request));
  assert.equal(memory.heldBytes, 4 * largest);
  await assert.rejects(take(announcing(1)), hasCode('HUB_BUSY'));

  one.push(Buffer.alloc(largest));
  one.push(null);
  assert.equal(await ends[0], largest);
  const small = announcing(1);
  const taken = take(small);
  small.push('a');
  small.push(null);
  assert.equal(await taken, 1);
  for (const request of others) request.push(null);
  const outcomes = await Promise.allSettled(ends.slice(1));
  assert.ok(outcomes.every(({ status }) => status === 'rejected'));
  assert.equal(memory.heldBytes, 0);
});
