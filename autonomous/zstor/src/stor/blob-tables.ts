import type { DatabaseSync } from 'node:sqlite';
import { statementOf } from '../catalog/statement-of.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import { chunkTableSchema, findChunk, insertChunks, requireSameHead } from '../blob/chunk-table.ts';
import type { ManifestBlob } from '../manifest/manifest.ts';
import type { StoredBlob } from '../blob/written-blob.ts';
import { rebuildTable } from '../rebuild/rebuild-tables.ts';
import { manifestTables } from '../manifest/manifest-schema.ts';
import { keyTables } from './key-tables.ts';
import { backendTable } from './backend-tables.ts';
import { snapshotTable } from './snapshot-tables.ts';

/** A blob as the tables have it: its key is wrapped. */
export interface BlobRow {
  readonly id: Uint8Array;
  /** Which key wraps its own: 0 is that of the store. */
  readonly keyNo: number;
  readonly wrappedKey: Uint8Array;
  readonly chunks: StoredBlob['chunks'];
  /** Just written by this head, and known to nobody: see `requireSameHead`. */
  readonly isNew?: boolean;
}

/**
 * The tables of all stores, with which the first script of an owner begins. `refs` counts the rows of
 * the owner that refer to a blob.
 */
export const blobTables = `
  ${backendTable}
  ${chunkTableSchema}
  CREATE TABLE blobs (
    id BLOB NOT NULL PRIMARY KEY,
    key_no INTEGER NOT NULL,
    wrapped_key BLOB NOT NULL,
    refs INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE blob_chunks (
    blob BLOB NOT NULL,
    position INTEGER NOT NULL,
    chunk BLOB NOT NULL,
    plaintext_bytes INTEGER NOT NULL,
    PRIMARY KEY (blob, position)
  ) WITHOUT ROWID, STRICT;
  ${keyTables}
  ${manifestTables}
  ${rebuildTable}
  ${snapshotTable}
`;

/**
 * Makes a blob known, with one row that refers to it.
 * @throws ZSTOR_CATALOG_NOT_SERVING for one that is new, when another head served since it was written
 */
export function insertBlob(
  db: DatabaseSync,
  { id, keyNo, wrappedKey, chunks, isNew = false }: BlobRow,
  records: readonly ChunkRecord[],
): void {
  if (isNew) requireSameHead(db, records);
  insertChunks(db, records);
  statementOf(db, 'INSERT INTO blobs VALUES (?, ?, ?, 1)').run(id, keyNo, wrappedKey);
  const insert = statementOf(db, 'INSERT INTO blob_chunks VALUES (?, ?, ?, ?)');
  for (const [position, chunk] of chunks.entries()) {
    insert.run(id, position, chunk.id, chunk.plaintextBytes);
  }
}

export function findBlob(db: DatabaseSync, id: Uint8Array): BlobRow | undefined {
  const row = statementOf(db, 'SELECT key_no, wrapped_key FROM blobs WHERE id = ?').get(id);
  if (row === undefined) return undefined;
  const sql = 'SELECT chunk, plaintext_bytes FROM blob_chunks WHERE blob = ? ORDER BY position';
  const chunks = statementOf(db, sql)
    .all(id)
    .map((chunk) => {
      return { id: bytesOf(chunk['chunk']), plaintextBytes: Number(chunk['plaintext_bytes']) };
    });
  return { id, keyNo: Number(row['key_no']), wrappedKey: bytesOf(row['wrapped_key']), chunks };
}

/**
 * Makes a blob known out of a manifest, with one row that refers to it; one that is known already gets
 * one more.
 */
export function adoptBlob(db: DatabaseSync, blob: ManifestBlob): void {
  const { id, keyNo, wrappedKey, chunks } = blob;
  if (statementOf(db, 'SELECT 1 FROM blobs WHERE id = ?').get(id) !== undefined) {
    retainBlob(db, id);
    return;
  }
  for (const { record } of chunks)
    statementOf(db, 'DELETE FROM dead WHERE chunk = ?').run(record.id);
  const unknown = chunks
    .map(({ record }) => record)
    .filter((record) => findChunk(db, record.id) === undefined);
  const listed = chunks.map(({ plaintextBytes, record }) => ({ id: record.id, plaintextBytes }));
  insertBlob(db, { id, keyNo, wrappedKey, chunks: listed }, unknown);
}

/** One more row refers to a blob. */
export function retainBlob(db: DatabaseSync, id: Uint8Array): void {
  statementOf(db, 'UPDATE blobs SET refs = refs + 1 WHERE id = ?').run(id);
}

/** One row less does. The last one takes blob and key along; its chunks are dead in the same change. */
export function releaseBlob(db: DatabaseSync, id: Uint8Array): void {
  const shared = statementOf(db, 'UPDATE blobs SET refs = refs - 1 WHERE id = ? AND refs > 1').run(
    id,
  );
  if (shared.changes === 1) return;
  const dead = `INSERT INTO dead SELECT chunk, 0 FROM blob_chunks WHERE blob = ?
    ON CONFLICT (chunk) DO UPDATE SET copies_only = 0`;
  statementOf(db, dead).run(id);
  statementOf(db, 'DELETE FROM blob_chunks WHERE blob = ?').run(id);
  statementOf(db, 'DELETE FROM blobs WHERE id = ?').run(id);
}

/** A column of bytes. */
export function bytesOf(column: unknown): Buffer {
  return column instanceof Uint8Array ? Buffer.from(column) : Buffer.alloc(0);
}
