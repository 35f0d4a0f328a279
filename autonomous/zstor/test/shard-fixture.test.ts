import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openChunk, repairShards, sealChunk } from '../src/chunk/chunk.ts';
import { parseShardOf } from '../src/chunk/shard.ts';
import type { Shard } from '../src/chunk/shard.ts';
import {
  fixtureChunkId,
  fixturePlace,
  fixturePlaintexts,
  fixturePolicy,
} from './fixtures/shard-v1-facts.ts';

async function readShards(name: string): Promise<Shard[]> {
  return Promise.all(
    Array.from({ length: 6 }, async (_, index) => {
      const value = await readFile(new URL(`fixtures/shard-v1/${name}-${index}`, import.meta.url));
      return parseShardOf(value, { chunkId: fixtureChunkId, index });
    }),
  );
}

for (const [name, plaintext] of Object.entries(fixturePlaintexts)) {
  test(`shards of format 1 open: ${name}`, async () => {
    const shards = await readShards(name);
    for (const some of [shards, shards.slice(2), shards.toSpliced(1, 2)]) {
      const opened = openChunk(fixturePlace, plaintext.length, some);
      assert.equal(Buffer.compare(opened, plaintext), 0);
    }
    const [repaired] = repairShards(shards.slice(0, 5), [5]).shards;
    assert.deepEqual(repaired?.value, shards[5]?.value);
  });
}

test('shards of format 1 are made as they were', async () => {
  // Stored, since a newer zstd may shrink in another way.
  const { stored } = fixturePlaintexts;
  const { shards: made } = sealChunk(fixturePolicy, fixturePlace, fixtureChunkId, stored);
  const kept = await readShards('stored');
  assert.deepEqual(
    made.map(({ value }) => Buffer.from(value)),
    kept.map(({ value }) => Buffer.from(value)),
  );
});
