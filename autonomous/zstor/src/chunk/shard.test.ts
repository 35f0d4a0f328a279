import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import * as fc from 'fast-check';
import { digestOf, makeShard, parseShard, parseShardOf, payloadBytesOf } from './shard.ts';
import type { Shard } from './shard.ts';

const chunkId = Uint8Array.from({ length: 16 }, (_, at) => 0xa0 + at);
const shape = { chunkId, dataShards: 4, parityShards: 2, bodyBytes: 250 };

/** A shard whose payload is that byte all over. */
function sampleShard(index: number, byte: number, facts = shape): Shard {
  const payloadBytes = payloadBytesOf(facts.bodyBytes, facts.dataShards);
  return makeShard(facts, index, Buffer.alloc(64 + payloadBytes, byte));
}

/** All of a shard, whatever kind of array its bytes are in. */
function numbersOf({ chunkId: id, value, payload, ...rest }: Shard): unknown {
  return { ...rest, id: [...id], value: [...value], payload: [...payload] };
}

/** A value with some bytes replaced, and the hash made right again: what only malice makes. */
function forged(value: Uint8Array, at: number, bytes: readonly number[]): Buffer {
  const copy = Buffer.from(value);
  copy.set(bytes, at);
  const hash = createHash('sha256').update(copy.subarray(0, 32)).update(copy.subarray(64));
  copy.set(hash.digest(), 32);
  return copy;
}

test('makeShard writes the header of the format page', () => {
  const header = sampleShard(5, 7).value.subarray(0, 64);
  assert.equal(
    Buffer.from(header).toString('hex'),
    '5a534844' + // ZSHD
      '01040205' + // format, k, m, index
      'a0a1a2a3a4a5a6a7a8a9aaabacadaeaf' +
      'fa000000' +
      '40000000' +
      createHash('sha256')
        .update(header.subarray(0, 32))
        .update(new Uint8Array(64).fill(7))
        .digest('hex'),
  );
});

test('payloadBytesOf rounds up to 64 bytes', () => {
  assert.equal(payloadBytesOf(1, 16), 64);
  assert.equal(payloadBytesOf(4 * 64, 4), 64);
  assert.equal(payloadBytesOf(4 * 64 + 1, 4), 128);
  assert.equal(payloadBytesOf(4 * 2 ** 20 + 16, 16), 262_208);
});

test('parseShard gives back what makeShard made, wherever in memory it lies', () => {
  const shards = fc.record({
    chunkId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    dataShards: fc.integer({ min: 1, max: 200 }),
    parityShards: fc.integer({ min: 1, max: 55 }),
    bodyBytes: fc.integer({ min: 1, max: 5000 }),
    offset: fc.nat(9),
    indexSeed: fc.nat(),
  });
  fc.assert(
    fc.property(shards, ({ offset, indexSeed, ...facts }) => {
      const index = indexSeed % (facts.dataShards + facts.parityShards);
      const made = sampleShard(index, offset, facts);
      const parsed = parseShard(Buffer.concat([Buffer.alloc(offset), made.value]).subarray(offset));
      assert.deepEqual(numbersOf(parsed), numbersOf(made));
    }),
  );
});

test('parseShard finds every flipped bit', () => {
  const { value } = sampleShard(1, 1);
  for (let bit = 0; bit < value.length * 8; bit++) {
    const bad = Buffer.from(value);
    bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const code = bit < 5 * 8 ? 'ZSTOR_SHARD_UNKNOWN' : 'ZSTOR_SHARD_CORRUPT';
    assert.throws(() => parseShard(bad), { code }, `bit ${bit}`);
  }
});

test('parseShard refuses every other length', () => {
  const { value } = sampleShard(1, 1);
  for (let length = 0; length < value.length; length++) {
    const code = length < 64 ? 'ZSTOR_SHARD_UNKNOWN' : 'ZSTOR_SHARD_CORRUPT';
    assert.throws(() => parseShard(value.subarray(0, length)), { code });
  }
  assert.throws(() => parseShard(Buffer.concat([value, value])), { code: 'ZSTOR_SHARD_CORRUPT' });
});

test('parseShard refuses fields that make no sense, though the hash is right', () => {
  const { value } = sampleShard(1, 1);
  const cases: [string, number, number[]][] = [
    ['no data shards', 5, [0]],
    ['no parity shards', 6, [0]],
    ['256 shards', 5, [254, 2]],
    ['index behind the last', 7, [6]],
    ['empty body', 24, [0, 0, 0, 0]],
    ['body of 4 GiB', 24, [255, 255, 255, 255]],
    ['payload of another body', 24, [255, 255]],
    ['payload length of 4 GiB', 28, [255, 255, 255, 255]],
  ];
  for (const [what, at, bytes] of cases) {
    assert.throws(
      () => parseShard(forged(value, at, bytes)),
      { code: 'ZSTOR_SHARD_CORRUPT' },
      what,
    );
  }
  assert.throws(() => parseShard(forged(value, 4, [2])), {
    code: 'ZSTOR_SHARD_UNKNOWN',
    details: { format: 2 },
  });
});

test('parseShard answers any bytes with a shard or one of two errors', () => {
  const prefix = Buffer.from('ZSHD\x01');
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }).map((rest) => Buffer.concat([prefix, rest])),
  );
  fc.assert(
    fc.property(bytes, (value) => {
      assert.throws(
        () => parseShard(value),
        (error) =>
          isGridError(error, 'ZSTOR_SHARD_UNKNOWN') || isGridError(error, 'ZSTOR_SHARD_CORRUPT'),
      );
    }),
  );
});

test('parseShardOf refuses a whole shard of another chunk, index or digest', () => {
  const shard = sampleShard(1, 1);
  const { value } = shard;
  assert.equal(parseShardOf(value, { chunkId, index: 1, digest: digestOf(shard) }).index, 1);
  const foreign = { code: 'ZSTOR_SHARD_FOREIGN' };
  assert.throws(() => parseShardOf(value, { chunkId, index: 2 }), foreign);
  assert.throws(() => parseShardOf(value, { chunkId: new Uint8Array(16), index: 1 }), foreign);
  const made = forged(value, 100, [9]);
  assert.throws(() => parseShardOf(made, { chunkId, index: 1, digest: digestOf(shard) }), foreign);
});
