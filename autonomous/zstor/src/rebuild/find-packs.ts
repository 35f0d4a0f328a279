import type { DatabaseSync } from 'node:sqlite';
import { isGridError } from '@commongrid/base';
import { shardKey } from '../backends/backend.ts';
import { nowhere } from '../blob/chunk-record.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import { findChunk } from '../blob/chunk-table.ts';
import type { Backends } from '../blob/shard-spread.ts';
import { statementOf } from '../catalog/statement-of.ts';
import { digestOf, parseShardOf } from '../chunk/shard.ts';
import type { Shard } from '../chunk/shard.ts';
import { repairShards } from '../chunk/chunk.ts';
import { readPackList } from '../packing/pack-body.ts';
import { adoptPack } from '../packing/pack-tables.ts';
import { bytesOf } from '../stor/blob-tables.ts';
import type { ShardInventory } from './shard-inventory.ts';

/** What a shard of a pack takes at most, for the reading. */
const shardBytes = 8 * 2 ** 20;

interface Tables {
  read<T>(query: (db: DatabaseSync) => T): T;
  write<T>(change: (db: DatabaseSync) => T): Promise<T>;
}

/**
 * Finds small objects whose copies are gone since they were packed, or whose pack is since they were
 * packed again, when the tables do not know the packs: a pack says in its body what is in it. Only then
 * are chunks without a record read.
 * @returns how many packs were found
 */
export async function findPacks(
  tables: Tables,
  inventory: ShardInventory,
  options: { readonly backends: Backends; readonly signal?: AbortSignal | undefined },
): Promise<number> {
  const lost = new Set(
    tables.read((db) => [...lostCopies(db, inventory), ...lostSlices(db, inventory)]),
  );
  let packs = 0;
  for (const { id, part, no } of inventory.codedChunks()) {
    if (lost.size === 0) break;
    options.signal?.throwIfAborted();
    if (tables.read((db) => findChunk(db, id)) !== undefined) continue;
    const pack = await readPack(options.backends, inventory, { id, part, no });
    if (pack === undefined) continue;
    const entries = pack.entries.filter(({ chunkId }) => lost.has(hexOf(chunkId)));
    if (entries.length === 0) continue;
    await tables.write((db) => adoptPack(db, pack.record, entries));
    for (const { chunkId } of entries) lost.delete(hexOf(chunkId));
    packs++;
  }
  return packs;
}

/** Small objects of which no copy was found, and no slice is known. */
function lostCopies(db: DatabaseSync, inventory: ShardInventory): string[] {
  const sql = `SELECT id FROM chunks WHERE is_copied = 1
    AND NOT EXISTS (SELECT 1 FROM slices WHERE chunk = id)`;
  return statementOf(db, sql)
    .all()
    .map((row) => bytesOf(row['id']))
    .filter((id) => {
      const record = findChunk(db, id);
      const found = record === undefined ? [] : inventory.locate(record, () => false);
      return found.every((no) => no === nowhere);
    })
    .map(hexOf);
}

/** Small objects in packs that are gone: they were packed again, since the tables were like this. */
function lostSlices(db: DatabaseSync, inventory: ShardInventory): string[] {
  const packs = statementOf(db, 'SELECT pack FROM packs').all();
  const isGone = (id: Buffer): boolean => {
    const record = findChunk(db, id);
    if (record === undefined || !inventory.has(id)) return true;
    const found = inventory.locate(record, () => false);
    return found.filter((no) => no !== nowhere).length < record.dataShards;
  };
  const gone = new Set(
    packs
      .map((row) => bytesOf(row['pack']))
      .filter(isGone)
      .map(hexOf),
  );
  if (gone.size === 0) return [];
  return statementOf(db, 'SELECT chunk, pack FROM slices')
    .all()
    .filter((row) => gone.has(hexOf(bytesOf(row['pack']))))
    .map((row) => hexOf(bytesOf(row['chunk'])));
}

async function readPack(
  backends: Backends,
  inventory: ShardInventory,
  { id, part, no }: { readonly id: Buffer; readonly part: number; readonly no: number },
): Promise<{ record: ChunkRecord; entries: ReturnType<typeof readPackList> } | undefined> {
  const first = await readShard(backends, id, part, no);
  if (first === undefined) return undefined;
  const { dataShards, parityShards, bodyBytes } = first;
  const indexes = Array.from({ length: dataShards + parityShards }, (_, index) => index);
  const shape = { id, kind: 'coded', dataShards, parityShards, bodyBytes } as const;
  const everywhere = { ...shape, locations: indexes.map(() => nowhere), digests: [] };
  const locations = inventory.locate(everywhere, () => false);
  const shards: Shard[] = [];
  for (const index of indexes) {
    const shard = await readShard(backends, id, index, locations[index] ?? nowhere);
    if (shard !== undefined) shards.push(shard);
  }
  if (shards.length < dataShards) return undefined;
  const there = new Set(shards.map(({ index }) => index));
  const missing = indexes.filter((index) => !there.has(index));
  const made =
    missing.length === 0 ? [] : repairShards(shards.slice(0, dataShards), missing).shards;
  const all = [...shards, ...made].toSorted((a, b) => a.index - b.index);
  const payloads = all.slice(0, dataShards).map(({ payload }) => payload);
  try {
    const entries = readPackList(Buffer.concat(payloads).subarray(0, bodyBytes));
    const digests = all.map((shard) => Uint8Array.from(digestOf(shard)));
    const kept = entries.map((entry) => ({ ...entry, chunkId: Buffer.from(entry.chunkId) }));
    return { record: { ...shape, locations, digests }, entries: kept };
  } catch (error) {
    // A chunk that nobody knows, and no pack.
    if (isGridError(error, 'ZSTOR_SHARD_UNKNOWN')) return undefined;
    throw error;
  }
}

async function readShard(
  backends: Backends,
  chunkId: Buffer,
  index: number,
  no: number,
): Promise<Shard | undefined> {
  try {
    const value = await backends.byNo(no)?.get(shardKey(chunkId, index), shardBytes);
    return value && parseShardOf(value, { chunkId, index });
  } catch (error) {
    if (!isGridError(error)) throw error;
    return undefined;
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
