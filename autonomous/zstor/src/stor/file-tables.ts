import type { DatabaseSync } from 'node:sqlite';
import { statementOf } from '../catalog/statement-of.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { owedManifestTable } from '../manifest/manifest-schema.ts';
import { findManifestBlob, releaseManifest } from '../manifest/manifest-tables.ts';
import { documentOf, fileIn } from './file-document.ts';
import { adoptBlob, blobTables, bytesOf, releaseBlob } from './blob-tables.ts';

/** A named file of a store. */
export interface StorFile {
  readonly name: string;
  readonly sizeBytes: number;
  /** 64 hex digits */
  readonly sha256: string;
  /** When it was put, ms since 1970. */
  readonly atMs: number;
}

/** The tables of a store of files, script by script. */
export const storSchema: readonly string[] = [
  `${blobTables}
  CREATE TABLE files (
    name TEXT NOT NULL PRIMARY KEY,
    blob BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    at_ms INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;
  `,
  owedManifestTable,
];

/** Writes a file in the place of the one that had its name. */
export function setFile(db: DatabaseSync, file: StorFile, blobId: Uint8Array): void {
  removeFile(db, file.name);
  const { name, sizeBytes, sha256, atMs } = file;
  const insert = statementOf(db, 'INSERT INTO files VALUES (?, ?, ?, ?, ?)');
  insert.run(name, blobId, sizeBytes, Buffer.from(sha256, 'hex'), atMs);
}

/** What the tables have for the manifest of a file, by the id of its blob: this reads all files. */
export function manifestOfFile(db: DatabaseSync, blobId: Buffer): Manifest | undefined {
  const row = statementOf(db, 'SELECT * FROM files WHERE blob = ?').get(blobId);
  const blob = row && findManifestBlob(db, blobId);
  if (row === undefined || blob === undefined) return undefined;
  return { versionId: blobId, document: documentOf(fileOf(row)), blobs: [blob] };
}

/**
 * Makes the row of a file again, out of its manifest.
 * @returns false when there is a file of that name which is not older
 */
export function adoptFile(db: DatabaseSync, { versionId, document, blobs }: Manifest): boolean {
  const file = fileIn(Buffer.from(document));
  const [blob] = blobs;
  if (blob === undefined) return false;
  const known = findFile(db, file.name);
  if (known !== undefined && known.file.atMs >= file.atMs) return false;
  adoptBlob(db, blob);
  setFile(db, file, versionId);
  return true;
}

/** @returns false when there is none */
export function removeFile(db: DatabaseSync, name: string): boolean {
  const row = statementOf(db, 'SELECT blob FROM files WHERE name = ?').get(name);
  if (row === undefined) return false;
  const blobId = bytesOf(row['blob']);
  releaseBlob(db, blobId);
  releaseManifest(db, blobId);
  statementOf(db, 'DELETE FROM files WHERE name = ?').run(name);
  return true;
}

export function findFile(
  db: DatabaseSync,
  name: string,
): { readonly file: StorFile; readonly blobId: Uint8Array } | undefined {
  const row = statementOf(db, 'SELECT * FROM files WHERE name = ?').get(name);
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
