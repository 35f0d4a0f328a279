import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventLengthMax, serverEvents } from './event-stream.ts';
import type { ServerEvent } from './event-stream.ts';

async function* cut(text: string, sizes: readonly number[]): AsyncGenerator<Uint8Array, void> {
  let bytes = new TextEncoder().encode(text);
  for (const size of sizes) {
    yield bytes.subarray(0, size);
    bytes = bytes.subarray(size);
  }
  yield bytes;
}

async function read(text: string, sizes: readonly number[] = []): Promise<readonly ServerEvent[]> {
  return Array.fromAsync(serverEvents(cut(text, sizes)));
}

test('events are read the same however the stream is cut', async () => {
  const text =
    'retry: 1\n\nid: 1.0\nevent: change\ndata: {"é":"𝄞"}\n\n: still here\n\ndata: a\ndata: b\n\n';
  const whole = [
    { id: '1.0', event: 'change', data: '{"é":"𝄞"}' },
    { id: undefined, event: 'message', data: 'a\nb' },
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 12 }),
      async (sizes) => {
        assert.deepEqual(await read(text, sizes), whole);
      },
    ),
  );
});

test('an event that was not ended is none, and one without an end is refused', async () => {
  assert.deepEqual(await read('data: half'), []);
  await assert.rejects(read(`data: ${'x'.repeat(eventLengthMax)}`), RangeError);
});
