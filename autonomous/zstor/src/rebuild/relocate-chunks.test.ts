import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shardKey } from '../backends/backend.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import { findChunk, insertChunks } from '../blob/chunk-table.ts';
import { blobTables } from '../stor/blob-tables.ts';
import { MemoryTables } from '../testing/memory-tables.ts';
import { ModelBackend } from '../testing/model-backends.ts';
import { relocateChunks } from './relocate-chunks.ts';
import { ShardInventory } from './shard-inventory.ts';

function chunkOf(epoch: number, locations: readonly number[]): ChunkRecord {
  const id = Buffer.alloc(16, 1);
  id.writeUInt32BE(epoch);
  const digests = locations.map(() => Buffer.alloc(32));
  const shape = { kind: 'coded', dataShards: 2, parityShards: 1, bodyBytes: 100 } as const;
  return { id, ...shape, locations: [...locations], digests };
}

class Setup {
  readonly tables = new MemoryTables(blobTables);
  readonly all = Array.from({ length: 4 }, (_, at) => new ModelBackend(at + 1, () => 0));

  inventory(): Promise<ShardInventory> {
    const { all } = this;
    const byNo = (no: number): ModelBackend | undefined => all.find((each) => each.no === no);
    return ShardInventory.take(':memory:', { all, byNo });
  }

  /** Shards of a chunk, the first one on the first of these backends. */
  async keep({ id }: ChunkRecord, numbers: readonly number[]): Promise<void> {
    for (const [index, no] of numbers.entries()) {
      await this.all[no - 1]?.put(shardKey(id, index), Buffer.from('a shard'));
    }
  }

  locationsOf({ id }: ChunkRecord): readonly number[] {
    return findChunk(this.tables.db, id)?.locations ?? [];
  }
}

test('chunks are located where their shards are, and not those that were written since', async () => {
  const setup = new Setup();
  const moved = chunkOf(7, [1, 2, 3]);
  const since = chunkOf(8, [1, 2, 3]);
  await setup.keep(moved, [2, 3, 4]);
  await using inventory = await setup.inventory();
  insertChunks(setup.tables.db, [moved, since]);
  const done = await relocateChunks(setup.tables, inventory, { epoch: 8 });
  assert.deepEqual(done, { relocatedChunks: 1, unreadableChunks: 0 });
  assert.deepEqual(setup.locationsOf(moved), [2, 3, 4]);
  assert.deepEqual(setup.locationsOf(since), [1, 2, 3]);
  const later = await relocateChunks(setup.tables, inventory, { epoch: 9 });
  assert.deepEqual(later, { relocatedChunks: 1, unreadableChunks: 1 }, 'no backend has it');
});

test('with exact tables only chunks of numbers that nobody has are located', async () => {
  const setup = new Setup();
  const renumbered = chunkOf(7, [91, 92, 3]);
  const missing = chunkOf(6, [1, 2, 93]);
  await setup.keep(renumbered, [1, 2, 3]);
  await using inventory = await setup.inventory();
  insertChunks(setup.tables.db, [renumbered, missing]);
  const done = await relocateChunks(setup.tables, inventory, { epoch: 8, isExact: true });
  assert.equal(done.relocatedChunks, 1);
  assert.deepEqual(setup.locationsOf(renumbered), [1, 2, 3]);
  assert.deepEqual(setup.locationsOf(missing), [1, 2, 93], 'repair sees to it');
});
