import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { throwIfAborted } from '@commongrid/base';
import { nowhere } from '../blob/chunk-record.ts';
import { findChunk, setLocations, copyPart, wasGivenUp } from '../blob/chunk-table.ts';
import type { ChunkTables } from '../blob/chunk-table.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import { statementOf } from '../catalog/statement-of.ts';
import type { MendedChunks } from './chunk-mender.ts';
import type { ChunkPlaces } from './chunk-need.ts';

/** Chunks that are looked at in one turn of the event loop: some milliseconds. */
const pageChunksMax = 500;

/** A chunk as a walk sees it. */
export interface WalkedChunk extends ChunkPlaces {
  readonly id: Buffer;
  readonly bodyBytes: number;
}

const columns = 'id, is_copied, data_shards, parity_shards, body_bytes, locations';
const isAlive = 'NOT EXISTS (SELECT 1 FROM dead WHERE chunk = id)';

/** All chunks that are not dead, page by page, in the order of their ids. */
export async function* walkChunks(
  tables: Pick<ChunkTables, 'read'>,
  signal: AbortSignal,
  after: Uint8Array = Buffer.alloc(0),
): AsyncGenerator<readonly WalkedChunk[], void> {
  let last = after;
  for (;;) {
    throwIfAborted(signal);
    const from = last;
    const page = tables.read((db) => pageOf(db, from));
    const end = page.at(-1);
    if (end === undefined) return;
    yield page;
    last = end.id;
    await nextTurn();
  }
}

/** Chunks with shards that are nowhere, so many at most. */
export function chunksWithMissing(db: DatabaseSync, limit: number): WalkedChunk[] {
  const sql = `SELECT ${columns} FROM chunks WHERE missing > 0 AND ${isAlive}
    ORDER BY missing DESC LIMIT ?`;
  return statementOf(db, sql).all(limit).map(walkedOf);
}

/**
 * The records of chunks themselves: of a small object its copies, though it be packed.
 * @param onLeft hears of backends that have a shard which is elsewhere now
 */
export function mendedChunks(
  tables: ChunkTables,
  onLeft?: (backendNo: number) => void,
): MendedChunks {
  return {
    find: (id) =>
      tables.read((db) => {
        const isDead = statementOf(db, 'SELECT 1 FROM dead WHERE chunk = ?').get(id) !== undefined;
        return isDead ? undefined : findChunk(db, id);
      }),
    compareAndSet: async (id, expected, next) => {
      const isSet = await tables.write((db) => setLocations(db, id, expected, next));
      const left = expected.filter((no, index) => no !== nowhere && no !== next[index]);
      if (isSet) for (const no of left) onLeft?.(no);
      return isSet;
    },
    wasGivenUp: ({ id, kind }: ChunkRecord, index, backendNo) =>
      tables.read((db) => wasGivenUp(db, id, kind === 'copied' ? copyPart : index, backendNo)),
  };
}

function pageOf(db: DatabaseSync, after: Uint8Array): WalkedChunk[] {
  const sql = `SELECT ${columns} FROM chunks WHERE id > ? AND ${isAlive} ORDER BY id LIMIT ?`;
  return statementOf(db, sql).all(after, pageChunksMax).map(walkedOf);
}

function walkedOf(row: Record<string, unknown>): WalkedChunk {
  const places = bytesOf(row['locations']);
  return {
    id: bytesOf(row['id']),
    kind: row['is_copied'] === 1 ? 'copied' : 'coded',
    dataShards: Number(row['data_shards']),
    parityShards: Number(row['parity_shards']),
    bodyBytes: Number(row['body_bytes']),
    locations: Array.from({ length: places.length / 2 }, (_, at) => places.readUInt16BE(at * 2)),
  };
}

function bytesOf(column: unknown): Buffer {
  return column instanceof Uint8Array ? Buffer.from(column) : Buffer.alloc(0);
}
