import type { DatabaseSync } from 'node:sqlite';
import { notServing } from '../catalog/lease.ts';
import { statementOf } from '../catalog/statement-of.ts';
import { epochBaseOf } from '../rebuild/rebuild-tables.ts';
import { nowhere } from './chunk-record.ts';
import type { ChunkRecord, Locations } from './chunk-record.ts';

/**
 * Makes the tables of chunks. `locations` are u16 and `digests` 32 bytes each, by index; `missing`
 * counts the locations that are nowhere.
 *
 * Chunks in `dead` are referred to no more: their shards are to be deleted, and then their records. With
 * `copies_only` that is true of the copies of a small object, which is packed. `slices` says where in
 * which pack; `packs` how much of each is in use. In `given_up` are shards that a backend may lose at any
 * time: `part` is the index, or 255 for a copy. `superseded` are chunks in the place of which blobs have
 * others: they are dead once a snapshot of the tables has those.
 */
export const chunkTableSchema = `
  CREATE TABLE chunks (
    id BLOB NOT NULL PRIMARY KEY,
    is_copied INTEGER NOT NULL,
    data_shards INTEGER NOT NULL,
    parity_shards INTEGER NOT NULL,
    body_bytes INTEGER NOT NULL,
    missing INTEGER NOT NULL,
    locations BLOB NOT NULL,
    digests BLOB NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX chunks_missing ON chunks (missing) WHERE missing > 0;
  CREATE INDEX chunks_copied ON chunks (id) WHERE is_copied = 1;
  CREATE TABLE dead (
    chunk BLOB NOT NULL PRIMARY KEY,
    copies_only INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE superseded (chunk BLOB NOT NULL PRIMARY KEY) WITHOUT ROWID, STRICT;
  CREATE TABLE slices (
    chunk BLOB NOT NULL PRIMARY KEY,
    pack BLOB NOT NULL,
    offset INTEGER NOT NULL,
    bytes INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE packs (
    pack BLOB NOT NULL PRIMARY KEY,
    bytes INTEGER NOT NULL,
    live_bytes INTEGER NOT NULL,
    live_slices INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX packs_holed ON packs (live_bytes);
  CREATE TABLE given_up (
    chunk BLOB NOT NULL,
    part INTEGER NOT NULL,
    backend INTEGER NOT NULL,
    PRIMARY KEY (chunk, part, backend)
  ) WITHOUT ROWID, STRICT;
`;

/** What a catalogue does, as far as locations need it. */
export interface ChunkTables {
  read<T>(query: (db: DatabaseSync) => T): T;
  write<T>(change: (db: DatabaseSync) => T): Promise<T>;
}

const digestBytes = 32;
/** In place of an index, for the copies of a small object: there are 255 indexes at most. */
export const copyPart = 255;

/** The locations of chunks in the tables of a catalogue. */
export class ChunkTable implements Locations {
  readonly #tables: ChunkTables;

  constructor(tables: ChunkTables) {
    this.#tables = tables;
  }

  find(chunkId: Uint8Array): ChunkRecord | undefined {
    return this.#tables.read((db) => locateChunk(db, chunkId));
  }

  compareAndSet(
    chunkId: Uint8Array,
    expected: readonly number[],
    next: readonly number[],
  ): Promise<boolean> {
    return this.#tables.write((db) => setLocations(db, chunkId, expected, next));
  }
}

/** What `Locations.compareAndSet` does, within a change. */
export function setLocations(
  db: DatabaseSync,
  chunkId: Uint8Array,
  expected: readonly number[],
  next: readonly number[],
): boolean {
  const isCopied = findChunk(db, chunkId)?.kind === 'copied';
  const isGivenUp = next.some((no, index) => {
    const isNew = no !== nowhere && no !== expected[index];
    return isNew && wasGivenUp(db, chunkId, isCopied ? copyPart : index, no);
  });
  if (isGivenUp) return false;
  const sql = `UPDATE chunks SET locations = ?, missing = ? WHERE id = ? AND locations = ?
    AND NOT EXISTS (SELECT 1 FROM dead WHERE chunk = id)`;
  const values = [packed(next), missingIn(next), chunkId, packed(expected)] as const;
  return statementOf(db, sql).run(...values).changes === 1;
}

/**
 * Whether a backend may lose this shard at any time, because it was once to be deleted there: it must
 * not be a location of it again.
 * @param part index of the shard, or `copyPart`
 */
export function wasGivenUp(
  db: DatabaseSync,
  chunkId: Uint8Array,
  part: number,
  backendNo: number,
): boolean {
  const sql = 'SELECT 1 FROM given_up WHERE chunk = ? AND part = ? AND backend = ?';
  return statementOf(db, sql).get(chunkId, part, backendNo) !== undefined;
}

/** Makes chunks known, within the change that also writes what refers to them. */
export function insertChunks(db: DatabaseSync, records: readonly ChunkRecord[]): void {
  const insert = statementOf(db, 'INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
  for (const { id, kind, dataShards, parityShards, bodyBytes, locations, digests } of records) {
    const isCopied = Number(kind === 'copied');
    const missing = missingIn(locations);
    const places = packed(locations);
    insert.run(
      ...[id, isCopied, dataShards, parityShards, bodyBytes],
      ...[missing, places, Buffer.concat(digests)],
    );
  }
}

/**
 * To be called in the change that makes new chunks known. Another head that served since they were
 * written took them for orphans, and may have deleted their shards: ids tell in which epoch they were
 * given away.
 * @throws ZSTOR_CATALOG_NOT_SERVING
 */
export function requireSameHead(db: DatabaseSync, records: readonly ChunkRecord[]): void {
  const row = statementOf(db, 'SELECT epoch FROM catalog_state').get();
  const epoch = Number(row?.['epoch']) + epochBaseOf(db);
  const isForeign = ({ id }: ChunkRecord): boolean => Buffer.from(id).readUInt32BE(0) !== epoch;
  if (records.some(isForeign)) throw notServing('another one did, since this was written');
}

/** Where a chunk is read from: for a small object that is packed, its pack and place in it. */
function locateChunk(db: DatabaseSync, chunkId: Uint8Array): ChunkRecord | undefined {
  const record = findChunk(db, chunkId);
  if (record?.kind === 'coded') return record;
  const sql = 'SELECT pack, offset, bytes FROM slices WHERE chunk = ?';
  const row = statementOf(db, sql).get(chunkId);
  const pack = row === undefined ? undefined : findChunk(db, bytesOf(row['pack']));
  if (row === undefined || pack === undefined) return record;
  return { ...pack, slice: { offset: Number(row['offset']), bytes: Number(row['bytes']) } };
}

/** The record of a chunk itself, as this connection sees it. */
export function findChunk(db: DatabaseSync, chunkId: Uint8Array): ChunkRecord | undefined {
  const row = statementOf(db, 'SELECT * FROM chunks WHERE id = ?').get(chunkId);
  if (row === undefined) return undefined;
  const places = bytesOf(row['locations']);
  const digests = bytesOf(row['digests']);
  const count = (of: Buffer, size: number): number[] =>
    Array.from({ length: of.length / size }, (_, at) => at * size);
  return {
    id: chunkId,
    kind: row['is_copied'] === 1 ? 'copied' : 'coded',
    dataShards: Number(row['data_shards']),
    parityShards: Number(row['parity_shards']),
    bodyBytes: Number(row['body_bytes']),
    locations: count(places, 2).map((at) => places.readUInt16BE(at)),
    digests: count(digests, digestBytes).map((at) => digests.subarray(at, at + digestBytes)),
  };
}

function packed(locations: readonly number[]): Buffer {
  const bytes = Buffer.alloc(locations.length * 2);
  for (const [at, no] of locations.entries()) bytes.writeUInt16BE(no, at * 2);
  return bytes;
}

function missingIn(locations: readonly number[]): number {
  return locations.filter((no) => no === nowhere).length;
}

function bytesOf(column: unknown): Buffer {
  return column instanceof Uint8Array ? Buffer.from(column) : Buffer.alloc(0);
}
