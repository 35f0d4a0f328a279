import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { suite, test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import { Blob } from '../src/chunk/blob.ts';
import type { ChunkPlace } from '../src/chunk/blob.ts';
import { sharedPool } from '../src/chunk/buffer-pool.ts';
import { openChunk, sealChunk } from '../src/chunk/chunk.ts';
import type { ChunkPolicy } from '../src/chunk/policy.ts';
import { digestOf } from '../src/chunk/shard.ts';
import type { Shard } from '../src/chunk/shard.ts';
import { CodingThreads } from '../src/threads/coding-threads.ts';
import type { ShardAnswer } from '../src/threads/coding-threads.ts';

const policy: ChunkPolicy = {
  dataShards: 4,
  parityShards: 2,
  chunkSizeBytes: 4 * 2 ** 20,
  compression: 'zstd',
};
const chunkId = new Uint8Array(16).fill(3);

function pooled(bytes: Uint8Array): Buffer<ArrayBuffer> {
  const buffer = sharedPool().take(bytes.length);
  buffer.set(bytes);
  return buffer;
}

function answersOf(shards: readonly Shard[]): ShardAnswer[] {
  return shards.map((shard) => ({
    address: { chunkId: shard.chunkId, index: shard.index, digest: digestOf(shard) },
    value: Uint8Array.from(shard.value),
  }));
}

for (const { count, inPlaceBytesMax } of [
  { count: 0, inPlaceBytesMax: -1 },
  { count: 2, inPlaceBytesMax: -1 },
  { count: 2, inPlaceBytesMax: 300_000 },
]) {
  suite(`with ${count} threads, and ${inPlaceBytesMax} bytes in place`, () => {
    const samples = [
      new Uint8Array(),
      seededRandom(1).bytes(300_000),
      Buffer.alloc(2_000_000, 'it shrinks '),
    ];

    test('chunks are sealed as by sealChunk, and open again', async () => {
      await using threads = CodingThreads.open({ count, inPlaceBytesMax });
      await Promise.all(
        samples.map(async (plaintext) => {
          const place = new Blob().nextPlace(true);
          const sealed = await threads.seal(policy, place, chunkId, pooled(plaintext));
          const expected = sealChunk(policy, place, chunkId, plaintext);
          for (const [at, { value, payload }] of sealed.shards.entries()) {
            assert.equal(Buffer.compare(value, expected.shards[at]?.value ?? chunkId), 0);
            assert.equal(payload.length, value.length - 64);
          }
          const answers = answersOf(sealed.shards).slice(2);
          const opened = await threads.openChunk(place, plaintext.length, answers);
          assert.equal(opened.equals(plaintext), true);
          assert.equal(openChunk(place, plaintext.length, sealed.shards).equals(plaintext), true);
        }),
      );
    });

    test('wrong shards give the error of the call, with their index', async () => {
      await using threads = CodingThreads.open({ count, inPlaceBytesMax });
      const place = new Blob().nextPlace(true);
      const plaintext = seededRandom(2).bytes(5000);
      const { shards } = sealChunk(policy, place, chunkId, plaintext);
      const open = (answers: readonly ShardAnswer[]): Promise<Buffer> =>
        threads.openChunk(place, plaintext.length, answers);
      const answers = answersOf(shards);
      const with2 = (value: (value: Uint8Array) => Uint8Array): ShardAnswer[] =>
        answers.map((answer, at) =>
          at === 2 ? { ...answer, value: value(answer.value) } : answer,
        );
      await assert.rejects(open(with2((value) => value.with(100, 1 ^ (value[100] ?? 0)))), {
        code: 'ZSTOR_SHARD_CORRUPT',
        details: { chunkId: '03'.repeat(16), index: 2 },
      });
      await assert.rejects(open(with2((value) => value.subarray(1))), {
        code: 'ZSTOR_SHARD_UNKNOWN',
      });
      await assert.rejects(open(with2((value) => value.subarray(0, 200))), {
        code: 'ZSTOR_SHARD_CORRUPT',
      });
      await assert.rejects(open(with2(() => answers[3]?.value ?? chunkId)), {
        code: 'ZSTOR_SHARD_FOREIGN',
        details: { index: 2, asked: `${'03'.repeat(16)}/2`, found: `${'03'.repeat(16)}/3` },
      });
      await assert.rejects(open(answers.slice(0, 3)), { code: 'ZSTOR_SHARDS_TOO_FEW' });
      await assert.rejects(open([]), { code: 'ZSTOR_SHARDS_TOO_FEW' });
      assert.equal((await open(answers)).equals(plaintext), true);
    });

    test('lost shards are made again, byte for byte', async () => {
      await using threads = CodingThreads.open({ count, inPlaceBytesMax });
      const plaintext = seededRandom(3).bytes(70_000);
      const { shards } = sealChunk(policy, new Blob().nextPlace(true), chunkId, plaintext);
      const lost = [5, 1];
      const left = shards.filter(({ index }) => !lost.includes(index));
      const { values } = await threads.repair(answersOf(left), lost);
      for (const [at, index] of lost.entries()) {
        assert.equal(Buffer.compare(values[at] ?? chunkId, shards[index]?.value ?? chunkId), 0);
      }
      await assert.rejects(threads.repair(answersOf(left.slice(1)), lost), {
        code: 'ZSTOR_SHARDS_TOO_FEW',
      });
    });

    test('streams have the MD5 of all their bytes, side by side', async () => {
      await using threads = CodingThreads.open({ count, inPlaceBytesMax });
      await Promise.all(
        [0, 1, 5].map(async (pieces) => {
          const all = seededRandom(pieces).bytes(pieces * 1000);
          await using md5 = threads.md5();
          for (let at = 0; at < pieces; at++) {
            const piece = all.slice(at * 1000, (at + 1) * 1000);
            const returned = await md5.update(pooled(piece));
            assert.equal(returned.equals(piece), true);
            sharedPool().give(returned);
          }
          const expected = createHash('md5').update(all).digest();
          assert.equal(expected.equals(await md5.digest()), true);
        }),
      );
    });

    test('nothing is taken after close', async () => {
      const threads = CodingThreads.open({ count, inPlaceBytesMax });
      await using md5 = threads.md5();
      sharedPool().give(await md5.update(pooled(chunkId)));
      await Promise.all([threads.close(), threads.close()]);
      const closed = { code: 'BASE_CLOSED' };
      const place = new Blob().nextPlace(true);
      await assert.rejects(threads.seal(policy, place, chunkId, pooled(chunkId)), closed);
      await assert.rejects(md5.update(pooled(chunkId)), closed);
    });
  });
}

test('requests of a thread that ends fail, and the next one has another thread', async () => {
  await using threads = CodingThreads.open({ count: 1, inPlaceBytesMax: -1 });
  const md5 = threads.md5();
  sharedPool().give(await md5.update(pooled(chunkId)));
  const good = new Blob().nextPlace(true);
  // A key of 3 bytes is a fault of the caller, not an answer: it ends the thread.
  const bad: ChunkPlace = { ...good, blob: { id: chunkId, key: new Uint8Array(3) } };
  const ended = { code: 'ZSTOR_THREAD_ENDED', retryable: true };
  await Promise.all([
    assert.rejects(threads.seal(policy, bad, chunkId, pooled(chunkId)), ended),
    assert.rejects(threads.seal(policy, good, chunkId, pooled(chunkId)), ended),
  ]);
  const { shards } = await threads.seal(policy, good, chunkId, pooled(chunkId));
  assert.equal(openChunk(good, 16, shards).equals(chunkId), true);
  await assert.rejects(md5.digest(), ended);
});

test('close fails what is under way', async () => {
  const threads = CodingThreads.open({ count: 1, inPlaceBytesMax: -1 });
  const place = new Blob().nextPlace(true);
  const sealing = threads.seal(policy, place, chunkId, pooled(new Uint8Array(4 * 2 ** 20)));
  await Promise.all([assert.rejects(sealing, { code: 'BASE_CLOSED' }), threads.close()]);
});
