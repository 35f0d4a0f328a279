import type { DatabaseSync } from 'node:sqlite';
import { statementOf } from '../catalog/statement-of.ts';

/**
 * Blobs that are snapshots of the tables. No row of an owner refers to them: one that was written, and
 * not noted in the log because its head ended, is known by this alone.
 */
export const snapshotTable = `
  CREATE TABLE snapshots (blob BLOB NOT NULL PRIMARY KEY) WITHOUT ROWID, STRICT;
`;

export interface KeptSnapshot {
  readonly blobId: Buffer;
  /** Its first; undefined when the blob is gone. */
  readonly chunkId: Buffer | undefined;
}

export function listSnapshots(db: DatabaseSync): KeptSnapshot[] {
  const sql = `SELECT snapshots.blob AS blob, chunk FROM snapshots
    LEFT JOIN blob_chunks ON blob_chunks.blob = snapshots.blob AND position = 0`;
  return statementOf(db, sql)
    .all()
    .flatMap(({ blob, chunk }) => {
      if (!(blob instanceof Uint8Array)) return [];
      const chunkId = chunk instanceof Uint8Array ? Buffer.from(chunk) : undefined;
      return { blobId: Buffer.from(blob), chunkId };
    });
}

/** In the change that makes its blob known. */
export function insertSnapshot(db: DatabaseSync, blobId: Uint8Array): void {
  statementOf(db, 'INSERT OR IGNORE INTO snapshots VALUES (?)').run(blobId);
}

/** In the change that releases its blob. @returns false when it is none, or no more */
export function deleteSnapshot(db: DatabaseSync, blobId: Uint8Array): boolean {
  return statementOf(db, 'DELETE FROM snapshots WHERE blob = ?').run(blobId).changes === 1;
}
