import type { DatabaseSync } from 'node:sqlite';
import { statementOf } from '../catalog/statement-of.ts';
import { nowhere } from './chunk-record.ts';
import type { ChunkRecord, Locations } from './chunk-record.ts';

/**
 * Makes the table of chunks. `locations` are u16 and `digests` 32 bytes each, by index; `missing`
 * counts the locations that are nowhere.
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
`;

/** What a catalogue does, as far as locations need it. */
export interface ChunkTables {
  read<T>(query: (db: DatabaseSync) => T): T;
  write<T>(change: (db: DatabaseSync) => T): Promise<T>;
}

const digestBytes = 32;

/** The locations of chunks in the tables of a catalogue. */
export class ChunkTable implements Locations {
  readonly #tables: ChunkTables;

  constructor(tables: ChunkTables) {
    this.#tables = tables;
  }

  find(chunkId: Uint8Array): ChunkRecord | undefined {
    return this.#tables.read((db) => findChunk(db, chunkId));
  }

  compareAndSet(
    chunkId: Uint8Array,
    expected: readonly number[],
    next: readonly number[],
  ): Promise<boolean> {
    const values = [packed(next), missingIn(next), chunkId, packed(expected)] as const;
    const sql = 'UPDATE chunks SET locations = ?, missing = ? WHERE id = ? AND locations = ?';
    return this.#tables.write((db) => statementOf(db, sql).run(...values).changes === 1);
  }
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

/** A chunk as this connection sees it. */
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
