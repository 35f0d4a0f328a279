import assert from 'node:assert/strict';
import { createDecipheriv } from 'node:crypto';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import * as fc from 'fast-check';
import { Blob } from './blob.ts';
import type { ChunkPlace } from './blob.ts';
import { sharedPool } from './buffer-pool.ts';
import { openChunk, repairShards, sealChunk } from './chunk.ts';
import { chunkSizesBytes } from './policy.ts';
import type { ChunkPolicy } from './policy.ts';
import { makeShard, parseShard } from './shard.ts';
import type { Shard } from './shard.ts';

const mebibyte = 2 ** 20;
const chunkId = new Uint8Array(16).fill(5);
const policy: ChunkPolicy = {
  dataShards: 4,
  parityShards: 2,
  chunkSizeBytes: 4 * mebibyte,
  compression: 'none',
};

function seal(
  code: Partial<ChunkPolicy>,
  place: ChunkPlace,
  plaintext: Uint8Array,
  id = chunkId,
): readonly Shard[] {
  return sealChunk({ ...policy, ...code }, place, id, plaintext).shards;
}

/** What travels: a shard is parsed from the bytes that a backend keeps. */
function stored(shards: readonly Shard[]): Shard[] {
  return shards.map(({ value }) => parseShard(Buffer.from(value)));
}

const anyChunk = fc.record({
  dataShards: fc.integer({ min: 1, max: 24 }),
  parityShards: fc.integer({ min: 1, max: 8 }),
  compression: fc.constantFrom('zstd' as const, 'none' as const),
  plaintext: fc.oneof(
    fc.uint8Array({ maxLength: 3000 }),
    fc.integer({ min: 0, max: 200_000 }).map((length) => new Uint8Array(length).fill(9)),
    fc.integer({ min: 0, max: 200_000 }).map((length) => seededRandom(length).bytes(length)),
  ),
  order: fc.infiniteStream(fc.nat()),
  isLast: fc.boolean(),
});

test('any k shards, in any order, give the chunk back', () => {
  fc.assert(
    fc.property(anyChunk, ({ plaintext, order, isLast, ...code }) => {
      const place = new Blob().nextPlace(isLast);
      const shards = stored(seal(code, place, plaintext));
      assert.equal(shards.length, code.dataShards + code.parityShards);
      const shuffled = shards
        .map((shard) => ({ shard, rank: order.next().value }))
        .toSorted((a, b) => a.rank - b.rank)
        .map(({ shard }) => shard);
      const some = shuffled.slice(0, code.dataShards);
      assert.equal(Buffer.compare(openChunk(place, plaintext.length, some), plaintext), 0);
      assert.equal(Buffer.compare(openChunk(place, plaintext.length, shards), plaintext), 0);
      const lost = shuffled.slice(code.dataShards);
      const repaired = repairShards(
        some,
        lost.map(({ index }) => index),
      ).shards;
      for (const [at, shard] of lost.entries()) {
        assert.equal(Buffer.compare(repaired[at]?.value ?? chunkId, shard.value), 0);
      }
    }),
    { numRuns: 60 },
  );
});

test('a full chunk comes back with m shards lost, at each size of chunk', () => {
  for (const chunkSizeBytes of chunkSizesBytes) {
    const plaintext = Buffer.alloc(chunkSizeBytes);
    for (let at = 0; at < plaintext.length; at += 4096)
      plaintext.writeUInt32LE(at ^ 0x5a5a5a5a, at);
    const place = new Blob().nextPlace(true);
    const code = { dataShards: 16, parityShards: 4, chunkSizeBytes };
    const { shards, memory } = sealChunk({ ...policy, ...code }, place, chunkId, plaintext);
    const opened = openChunk(place, plaintext.length, shards.slice(4));
    assert.equal(opened.equals(plaintext), true);
    sharedPool().give(opened);
    sharedPool().give(memory);
  }
});

test('data shards are the ciphertext of AES-256-GCM, its tag and zeros', () => {
  const plaintext = seededRandom(1).bytes(1000);
  const blob = new Blob(seededRandom('blob'));
  const [first, second] = [blob.nextPlace(false), blob.nextPlace(true)];
  const body = Buffer.concat(
    seal({}, second, plaintext)
      .slice(0, 4)
      .map(({ payload }) => payload),
  );
  const nonce = Buffer.from('000000000000000000000001', 'hex');
  const decipher = createDecipheriv('aes-256-gcm', blob.secret.key, nonce);
  decipher.setAAD(
    Buffer.concat([
      Buffer.from('commongrid/zstor-chunk/1\0'),
      blob.secret.id,
      Buffer.from('00000001000003e801', 'hex'),
    ]),
  );
  decipher.setAuthTag(body.subarray(1000, 1016));
  const opened = Buffer.concat([decipher.update(body.subarray(0, 1000)), decipher.final()]);
  assert.equal(Buffer.compare(opened, plaintext), 0);
  assert.deepEqual(
    [...body.subarray(1016)],
    Array.from({ length: 4 * 256 - 1016 }, () => 0),
  );
  assert.equal(first.index, 0);
});

test('what shrinks is stored shorter, what does not as it is', () => {
  const place = new Blob().nextPlace(true);
  const sizes = (plaintext: Uint8Array): number =>
    seal({ compression: 'zstd' }, place, plaintext)[0]?.bodyBytes ?? 0;
  assert.ok(sizes(Buffer.alloc(mebibyte, 'compressible ')) < 2000);
  assert.equal(sizes(seededRandom(3).bytes(mebibyte)), mebibyte + 16);
  // Random in the four places that are tried and zeros elsewhere: the probe decides.
  const deceiving = seededRandom(4).bytes(mebibyte).fill(0, 20_000, 300_000);
  assert.equal(sizes(deceiving), mebibyte + 16);
});

test('openChunk refuses another place, key, blob or length', () => {
  const plaintext = Buffer.alloc(5000, 'text ');
  for (const compression of ['zstd', 'none'] as const) {
    const place = new Blob().nextPlace(false);
    const shards = seal({ compression }, place, plaintext);
    const { blob } = place;
    const corrupt = { code: 'ZSTOR_CHUNK_CORRUPT' };
    const flipped = (bytes: Uint8Array): Uint8Array => bytes.map((value) => value ^ 1);
    assert.throws(() => openChunk({ ...place, isLast: true }, 5000, shards), corrupt);
    assert.throws(() => openChunk({ ...place, index: 1 }, 5000, shards), corrupt);
    assert.throws(
      () => openChunk({ ...place, blob: { ...blob, key: flipped(blob.key) } }, 5000, shards),
      corrupt,
    );
    assert.throws(
      () => openChunk({ ...place, blob: { ...blob, id: flipped(blob.id) } }, 5000, shards),
      corrupt,
    );
    assert.throws(() => openChunk(place, 5001, shards), corrupt);
    assert.throws(() => openChunk(place, 10, shards), corrupt);
    assert.equal(openChunk(place, 5000, shards).equals(plaintext), true);
  }
});

test('a shard that a backend made up gives an error, never other bytes', () => {
  const plaintext = seededRandom(5).bytes(3000);
  const place = new Blob().nextPlace(true);
  const shards = seal({}, place, plaintext);
  for (const index of [0, 3, 4]) {
    const lie = shards.map((shard) =>
      shard.index === index
        ? makeShard(
            shard,
            index,
            shard.value.map((byte) => byte ^ 8),
          )
        : shard,
    );
    const four = lie.toSorted((a, b) => (b.index === index ? 1 : 0) - (a.index === index ? 1 : 0));
    assert.throws(() => openChunk(place, 3000, four.slice(0, 4)), { code: 'ZSTOR_CHUNK_CORRUPT' });
    assert.equal(openChunk(place, 3000, four.slice(1, 5)).equals(plaintext), true);
  }
});

test('openChunk and repairShards refuse shards of two chunks, and too few', () => {
  const place = new Blob().nextPlace(true);
  const shards = seal({}, place, new Uint8Array(100));
  const [other] = seal({}, place, new Uint8Array(100), new Uint8Array(16));
  const mixed = [...shards.slice(1, 4), ...(other === undefined ? [] : [other])];
  assert.throws(() => openChunk(place, 100, mixed), { code: 'ZSTOR_SHARD_FOREIGN' });
  assert.throws(() => repairShards(mixed, [5]), { code: 'ZSTOR_SHARD_FOREIGN' });
  for (const few of [[], shards.slice(0, 3), [...shards.slice(0, 3), ...shards.slice(0, 1)]]) {
    assert.throws(() => openChunk(place, 100, few), {
      code: 'ZSTOR_SHARDS_TOO_FEW',
      retryable: true,
    });
  }
});

test('sealChunk refuses more than a chunk', () => {
  const place = new Blob().nextPlace(true);
  assert.throws(() => seal({}, place, new Uint8Array(4 * mebibyte + 1)), {
    code: 'ZSTOR_CHUNK_TOO_LARGE',
  });
});
