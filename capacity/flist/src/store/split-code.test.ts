import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, zstdCompressSync } from 'node:zlib';

import { hasCode } from '@commongrid/base/testing';
import fc from 'fast-check';

import { programBytes } from '../testing/program-bytes.ts';
import { chunkBytes } from '../tree/inode.ts';
import { hashOfChunk, packChunkTight, unpackChunk } from './chunk-codec.ts';
import { operandBytes } from './code-sites.ts';
import { mergeCode } from './merge-code.ts';
import { splitCode } from './split-code.ts';
import { isSplit, splitMagic } from './split-form.ts';

/** Like a program: instructions that call, jump and address, between others. */
const instruction = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 3 }),
  withOperand([0xe8], [0xe9], [0x0f, 0x84], [0x0f, 0x8f]),
  withOperand([0x8b, 0x05], [0x48, 0x8d, 0x3d], [0x0f, 0xb6, 0x0d]),
);

const program = fc
  .tuple(fc.array(instruction, { minLength: 4, maxLength: 40 }), fc.integer({ min: 40, max: 400 }))
  .map(([parts, times]) => Buffer.concat(Array.from({ length: times }, () => parts).flat()))
  .map((bytes) => bytes.subarray(0, chunkBytes));

/** Like an index of unwinding, or relocations: entries of words that grow, behind other bytes. */
const table = fc
  .record({
    stride: fc.constantFrom(2, 6),
    first: fc.integer(),
    steps: fc.array(fc.integer({ min: 0, max: 40_000 }), { minLength: 1, maxLength: 7 }),
    entries: fc.integer({ min: 100, max: 400 }),
    ahead: fc.uint8Array({ maxLength: 40 }),
  })
  .map(({ stride, first, steps, entries, ahead }) => {
    const words = Int32Array.from({ length: stride * entries }, () => 0);
    for (const at of words.keys()) {
      words[at] = at < stride ? first : (words[at - stride] ?? 0) + (steps[at % steps.length] ?? 0);
    }
    return Buffer.concat([ahead, Buffer.from(words.buffer)]);
  });

const content = fc
  .array(fc.oneof(program, table, fc.uint8Array({ maxLength: 20_000 })), { maxLength: 4 })
  .map((parts) => Buffer.concat(parts).subarray(0, chunkBytes));

test('a program is the same after it was split and merged', () => {
  let splits = 0;
  fc.assert(
    fc.property(content, (plaintext) => {
      const split = splitCode(plaintext);
      if (split === undefined) return;
      splits++;
      assert.deepEqual(mergeCode(split, plaintext.length), plaintext);
    }),
    { numRuns: 150 },
  );
  assert.ok(splits > 50, `${splits} were split`);
});

test('code is the same wherever its sites stand', () => {
  // A site at each place of the steps of the merger, and at the end, with and without room.
  for (let tail = 0; tail < 40; tail++) {
    const call = Buffer.from([0xe8, 1, 2, 0, 0, 0x90]);
    const plaintext = Buffer.concat([...Array.from({ length: 700 }, () => call), pad(tail), call]);
    for (let cut = 0; cut <= operandBytes + 1; cut++) {
      const cutOff = plaintext.subarray(0, plaintext.length - cut);
      const split = splitCode(cutOff);
      assert.ok(split !== undefined);
      assert.deepEqual(mergeCode(split, cutOff.length), cutOff);
    }
  }
});

test('a program packs smaller than zstd packs it, and unpacks', async () => {
  const plaintext = programBytes(200_000);
  const hash = await hashOfChunk(plaintext);
  const packed = await packChunkTight(plaintext);
  assert.ok(isSplit(packed));
  const params = { [constants.ZSTD_c_compressionLevel]: 19 };
  const whole = zstdCompressSync(plaintext, { params });
  assert.ok(packed.length < whole.length * 0.8, `${packed.length} of ${whole.length}`);
  assert.deepEqual(await unpackChunk(hash, packed), plaintext);
  assert.deepEqual(await unpackChunk(hash, packed, plaintext.length, true), plaintext);
  await assert.rejects(unpackChunk(hash, packed, 1000), hasCode('FLIST_CHUNK_CORRUPT'));
});

test('a split chunk that is torn, other or nonsense is refused', async () => {
  const plaintext = programBytes(100_000);
  const hash = await hashOfChunk(plaintext);
  const split = splitCode(plaintext);
  assert.ok(split !== undefined);
  const refuses = async (bytes: Uint8Array): Promise<void> => {
    const packed = Buffer.concat([splitMagic, zstdCompressSync(bytes)]);
    const unpacking = unpackChunk(hash, packed, plaintext.length, true);
    await assert.rejects(unpacking, hasCode('FLIST_CHUNK_CORRUPT'));
  };
  await fc.assert(
    fc.asyncProperty(
      fc.nat(split.length - 1),
      fc.integer({ min: 1, max: 255 }),
      async (at, flip) => {
        await refuses(Buffer.from(split).fill((split[at] ?? 0) ^ flip, at, at + 1));
      },
    ),
    { numRuns: 60 },
  );
  // Each number of the head, and what lies behind it.
  for (let at = 0; at < 40; at += 4) {
    for (const number of [0, 1, 2 ** 19, 2 ** 31, 2 ** 32 - 1]) {
      const bytes = Buffer.from(split);
      if (bytes.readUInt32LE(at) === number) continue;
      bytes.writeUInt32LE(number, at);
      await refuses(bytes);
    }
  }
  for (const length of [0, 1, 27, 28, 29, split.length - 1])
    await refuses(split.subarray(0, length));
  // What it was before does not matter to the next one.
  assert.deepEqual(mergeCode(Buffer.from(split), plaintext.length), plaintext);
});

test('whatever is merged, it ends', () => {
  const words = fc.array(fc.nat(2 ** 20), { minLength: 7, maxLength: 7 });
  fc.assert(
    fc.property(words, fc.uint8Array({ maxLength: 5000 }), (numbers, rest) => {
      const head = Buffer.alloc(28);
      for (const [index, number] of numbers.entries()) head.writeUInt32LE(number % 4000, index * 4);
      head.writeUInt32LE((numbers[6] ?? 0) % 3, 24);
      const merged = mergeCode(Buffer.concat([head, rest]), 3000);
      assert.ok(merged === undefined || merged.length <= 3000);
    }),
    { numRuns: 500 },
  );
});

function withOperand(...leads: readonly number[][]): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.constantFrom(...leads), fc.integer({ min: -300_000, max: 300_000 }))
    .map(([lead, operand]) => {
      const bytes = Buffer.alloc(lead.length + operandBytes);
      bytes.set(lead);
      bytes.writeInt32LE(operand, lead.length);
      return bytes;
    });
}

function pad(length: number): Buffer {
  return Buffer.alloc(length, 0x90);
}
