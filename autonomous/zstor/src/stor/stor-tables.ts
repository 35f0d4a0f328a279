import type { DatabaseSync } from 'node:sqlite';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import { chunkTableSchema, insertChunks } from '../blob/chunk-table.ts';
import type { StoredBlob } from '../blob/written-blob.ts';

/** A named file of a store. */
export interface StorFile {
  readonly name: string;
  readonly sizeBytes: number;
  /** 64 hex digits */
  readonly sha256: string;
  /** When it was put, ms since 1970. */
  readonly atMs: number;
}

/** A blob as the tables have it: its key is wrapped. */
export interface BlobRow {
  readonly id: Uint8Array;
  readonly wrappedKey: Uint8Array;
  readonly chunks: StoredBlob['chunks'];
}

/**
 * The tables of a store, script by script. Chunks in `dead` are referred to no more: their shards are
 * to be deleted, and then their records.
 */
export const storSchema: readonly string[] = [
  `
  CREATE TABLE backends (
    no INTEGER PRIMARY KEY CHECK (no BETWEEN 1 AND 65535),
    name TEXT NOT NULL UNIQUE
  ) STRICT;
  ${chunkTableSchema}
  CREATE TABLE blobs (
    id BLOB NOT NULL PRIMARY KEY,
    wrapped_key BLOB NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE blob_chunks (
    blob BLOB NOT NULL,
    position INTEGER NOT NULL,
    chunk BLOB NOT NULL,
    plaintext_bytes INTEGER NOT NULL,
    PRIMARY KEY (blob, position)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE dead (chunk BLOB NOT NULL PRIMARY KEY) WITHOUT ROWID, STRICT;
  CREATE TABLE files (
    name TEXT NOT NULL PRIMARY KEY,
    blob BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    at_ms INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;
  `,
];

/** The number of a backend; a name that is new gets the next one, for ever. */
export function numberBackend(db: DatabaseSync, name: string): number {
  const known = findBackend(db, name);
  if (known !== undefined) return known;
  const next = db.prepare('SELECT coalesce(max(no), 0) + 1 AS no FROM backends').get();
  const no = Number(next?.['no']);
  db.prepare('INSERT INTO backends VALUES (?, ?)').run(no, name);
  return no;
}

export function findBackend(db: DatabaseSync, name: string): number | undefined {
  const row = db.prepare('SELECT no FROM backends WHERE name = ?').get(name);
  return row === undefined ? undefined : Number(row['no']);
}

export function insertBlob(
  db: DatabaseSync,
  { id, wrappedKey, chunks }: BlobRow,
  records: readonly ChunkRecord[],
): void {
  insertChunks(db, records);
  db.prepare('INSERT INTO blobs VALUES (?, ?)').run(id, wrappedKey);
  const insert = db.prepare('INSERT INTO blob_chunks VALUES (?, ?, ?, ?)');
  for (const [position, chunk] of chunks.entries()) {
    insert.run(id, position, chunk.id, chunk.plaintextBytes);
  }
}

export function findBlob(db: DatabaseSync, id: Uint8Array): BlobRow | undefined {
  const row = db.prepare('SELECT wrapped_key FROM blobs WHERE id = ?').get(id);
  if (row === undefined) return undefined;
  const sql = 'SELECT chunk, plaintext_bytes FROM blob_chunks WHERE blob = ? ORDER BY position';
  const chunks = db
    .prepare(sql)
    .all(id)
    .map((chunk) => {
      return { id: bytesOf(chunk['chunk']), plaintextBytes: Number(chunk['plaintext_bytes']) };
    });
  return { id, wrappedKey: bytesOf(row['wrapped_key']), chunks };
}

/** Forgets a blob and its key; its chunks are dead in the same change. */
export function removeBlob(db: DatabaseSync, id: Uint8Array): void {
  db.prepare('INSERT INTO dead SELECT chunk FROM blob_chunks WHERE blob = ?').run(id);
  db.prepare('DELETE FROM blob_chunks WHERE blob = ?').run(id);
  db.prepare('DELETE FROM blobs WHERE id = ?').run(id);
}

/** Writes a file in the place of the one that had its name. */
export function setFile(db: DatabaseSync, file: StorFile, blobId: Uint8Array): void {
  removeFile(db, file.name);
  const { name, sizeBytes, sha256, atMs } = file;
  const insert = db.prepare('INSERT INTO files VALUES (?, ?, ?, ?, ?)');
  insert.run(name, blobId, sizeBytes, Buffer.from(sha256, 'hex'), atMs);
}

/** @returns false when there is none */
export function removeFile(db: DatabaseSync, name: string): boolean {
  const row = db.prepare('SELECT blob FROM files WHERE name = ?').get(name);
  if (row === undefined) return false;
  removeBlob(db, bytesOf(row['blob']));
  db.prepare('DELETE FROM files WHERE name = ?').run(name);
  return true;
}

export function findFile(
  db: DatabaseSync,
  name: string,
): { readonly file: StorFile; readonly blobId: Uint8Array } | undefined {
  const row = db.prepare('SELECT * FROM files WHERE name = ?').get(name);
  return row === undefined ? undefined : { file: fileOf(row), blobId: bytesOf(row['blob']) };
}

/** Files whose names begin with `prefix` and come after `after`, in the order of their UTF-8. */
export function listFiles(
  db: DatabaseSync,
  prefix: string,
  after: string,
  limit: number,
): StorFile[] {
  const sql = 'SELECT * FROM files WHERE name >= ? AND name > ? ORDER BY name';
  const files: StorFile[] = [];
  for (const row of db.prepare(sql).iterate(prefix, after)) {
    const file = fileOf(row);
    if (files.length === limit || !file.name.startsWith(prefix)) break;
    files.push(file);
  }
  return files;
}

function fileOf(row: Record<string, unknown>): StorFile {
  return {
    name: String(row['name']),
    sizeBytes: Number(row['size_bytes']),
    sha256: bytesOf(row['sha256']).toString('hex'),
    atMs: Number(row['at_ms']),
  };
}

function bytesOf(column: unknown): Buffer {
  return column instanceof Uint8Array ? Buffer.from(column) : Buffer.alloc(0);
}
