import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';
import fc from 'fast-check';

import type { ChunkHash, PackedChunk } from '../ports.ts';
import { packedChunkBytesMax } from '../store/chunk-codec.ts';
import { batchHashesMax, frameHeader, readFrames } from './chunk-frames.ts';

const hashOf = (text: string): ChunkHash =>
  createHash('sha256').update(text).digest('hex') as ChunkHash;

async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function read(bytes: Buffer, sizes: readonly number[] = [65_536]): Promise<PackedChunk[]> {
  const chunks: PackedChunk[] = [];
  for await (const chunk of readFrames(cut(bytes, sizes), 'test')) chunks.push(chunk);
  return chunks;
}

test('an answer is read however it is cut, without the chunks that are not there', async () => {
  const packed = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined });
  const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(fc.array(packed, { maxLength: 20 }), sizes, async (frames, cuts) => {
      const bytes = frames.flatMap((one, index) => [
        frameHeader(hashOf(String(index)), one?.length),
        one ?? new Uint8Array(),
      ]);
      const expected = frames.flatMap((one, index) =>
        one === undefined ? [] : [{ hash: hashOf(String(index)), packed: Buffer.from(one) }],
      );
      assert.deepEqual(await read(Buffer.concat(bytes), cuts), expected);
    }),
  );
});

test('an answer that ends within a frame, declares too much, or never ends is refused', async () => {
  const frame = Buffer.concat([frameHeader(hashOf('a'), 100), randomBytes(100)]);
  for (const end of [1, 35, 36, 135]) {
    await assert.rejects(read(frame.subarray(0, end)), hasCode('FLIST_SOURCE_FAILED'));
  }
  const long = frameHeader(hashOf('a'), packedChunkBytesMax + 1);
  await assert.rejects(read(long), hasCode('FLIST_SOURCE_FAILED'));
  const absent = Array.from({ length: batchHashesMax + 1 }, () =>
    frameHeader(hashOf('a'), undefined),
  );
  await assert.rejects(read(Buffer.concat(absent)), hasCode('FLIST_SOURCE_FAILED'));
});

test('noise is refused or has chunks in it, and nothing else happens', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (noise) => {
      try {
        await read(Buffer.from(noise));
      } catch (error) {
        assert.ok(hasCode('FLIST_SOURCE_FAILED')(error));
      }
    }),
  );
});
