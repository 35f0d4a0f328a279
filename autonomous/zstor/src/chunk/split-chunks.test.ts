import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { splitChunks } from './split-chunks.ts';

test('splitChunks cuts any stream into full chunks and a last one', async () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(pieces, fc.integer({ min: 1, max: 50 }), async (source, sizeBytes) => {
      const chunks = await Array.fromAsync(splitChunks(source, sizeBytes));
      const all = Buffer.concat(chunks.map(({ bytes }) => bytes));
      assert.equal(Buffer.compare(all, Buffer.concat(source)), 0);
      assert.equal(chunks.length, Math.max(1, Math.ceil(all.length / sizeBytes)));
      for (const [at, { bytes, isLast }] of chunks.entries()) {
        assert.equal(isLast, at === chunks.length - 1);
        if (!isLast) assert.equal(bytes.length, sizeBytes);
      }
    }),
  );
});

test('splitChunks gives one empty chunk of an empty stream', async () => {
  const chunks = await Array.fromAsync(splitChunks([], 4));
  assert.deepEqual(
    chunks.map(({ bytes, isLast }) => [bytes.length, isLast]),
    [[0, true]],
  );
});

test('chunks do not share memory', async () => {
  const [a, b] = await Array.fromAsync(splitChunks([new Uint8Array(8)], 4));
  assert.notEqual(a?.bytes.buffer, b?.bytes.buffer);
});
