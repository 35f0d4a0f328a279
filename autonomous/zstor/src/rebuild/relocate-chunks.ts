import type { DatabaseSync } from 'node:sqlite';
import { nowhere } from '../blob/chunk-record.ts';
import { findChunk, setLocations, wasGivenUp } from '../blob/chunk-table.ts';
import { statementOf } from '../catalog/statement-of.ts';
import { bytesOf } from '../stor/blob-tables.ts';
import type { ShardInventory } from './shard-inventory.ts';

/** Chunks that are looked at, and changed, at a time. */
const chunksAtOnce = 500;

interface Tables {
  read<T>(query: (db: DatabaseSync) => T): T;
  write<T>(change: (db: DatabaseSync) => T): Promise<T>;
}

export interface RelocateOptions {
  /** Of this head, which began after the inventory: what it wrote itself is where its records say. */
  readonly epoch: number;
  /** The tables are as they were: see `ShardInventory.locate`. Default false. */
  readonly isExact?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface Relocated {
  readonly relocatedChunks: number;
  readonly unreadableChunks: number;
}

/**
 * Has the records of all chunks say where their shards are, but for those that this head has written, as
 * packs in the background.
 */
export async function relocateChunks(
  tables: Tables,
  inventory: ShardInventory,
  options: RelocateOptions,
): Promise<Relocated> {
  const { epoch, signal } = options;
  const counts = { relocatedChunks: 0, unreadableChunks: 0 };
  let after: Uint8Array = Buffer.alloc(0);
  for (;;) {
    signal?.throwIfAborted();
    const ids = tables.read((db) => chunksAfter(db, after));
    const last = ids.at(-1);
    if (last === undefined) return counts;
    after = last;
    const some = ids.filter((id) => id.readUInt32BE(0) < epoch);
    const done = await tables.write((db) => relocate(db, some, inventory, options));
    counts.relocatedChunks += done.relocatedChunks;
    counts.unreadableChunks += done.unreadableChunks;
  }
}

function relocate(
  db: DatabaseSync,
  ids: readonly Buffer[],
  inventory: ShardInventory,
  { isExact = false }: RelocateOptions,
): { relocatedChunks: number; unreadableChunks: number } {
  const counts = { relocatedChunks: 0, unreadableChunks: 0 };
  for (const id of ids) {
    const record = findChunk(db, id);
    if (record === undefined) continue;
    const isPacked = statementOf(db, 'SELECT 1 FROM slices WHERE chunk = ?').get(id) !== undefined;
    const isGivenUp = (part: number, no: number): boolean => wasGivenUp(db, id, part, no);
    const next = inventory.locate(record, isGivenUp, isExact);
    const isMoved = String(next) !== String(record.locations);
    if (isMoved && setLocations(db, id, record.locations, next)) counts.relocatedChunks++;
    const there = next.filter((no) => no !== nowhere).length;
    if (there < record.dataShards && !isPacked) counts.unreadableChunks++;
  }
  return counts;
}

/** Those that are needed, in the order of their ids. */
function chunksAfter(db: DatabaseSync, after: Uint8Array): Buffer[] {
  const sql = `SELECT id FROM chunks WHERE id > ?
    AND NOT EXISTS (SELECT 1 FROM dead WHERE chunk = id) ORDER BY id LIMIT ${chunksAtOnce}`;
  return statementOf(db, sql)
    .all(after)
    .map((row) => bytesOf(row['id']));
}
