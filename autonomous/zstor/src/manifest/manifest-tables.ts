import type { DatabaseSync } from 'node:sqlite';
import { statementOf } from '../catalog/statement-of.ts';
import { findChunk } from '../blob/chunk-table.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import { bytesOf, findBlob } from '../stor/blob-tables.ts';
import type { BlobRow } from '../stor/blob-tables.ts';
import type { ManifestBlob } from './manifest.ts';

/** Of a version's id. */
const idBytes = 16;

/** Marks a manifest as one that is to be removed, in the change in which its version goes. */
export function releaseManifest(db: DatabaseSync, versionId: Uint8Array): void {
  statementOf(db, 'INSERT OR IGNORE INTO dead_manifests VALUES (?)').run(versionId);
}

/** Versions whose manifests are to be removed. */
export function deadManifests(db: DatabaseSync, limit: number): Buffer[] {
  const rows = statementOf(db, 'SELECT version FROM dead_manifests LIMIT ?').all(limit);
  return rows.map((row) => bytesOf(row['version']));
}

export function isDeadManifest(db: DatabaseSync, versionId: Uint8Array): boolean {
  const sql = 'SELECT 1 FROM dead_manifests WHERE version = ?';
  return statementOf(db, sql).get(versionId) !== undefined;
}

export function forgetManifest(db: DatabaseSync, versionId: Uint8Array): void {
  statementOf(db, 'DELETE FROM dead_manifests WHERE version = ?').run(versionId);
}

/** Versions whose manifests may be missing if this head ends now. */
export function noteOwed(db: DatabaseSync, versionIds: readonly Uint8Array[]): void {
  const insert = statementOf(db, 'INSERT OR REPLACE INTO owed_manifests VALUES (1, ?)');
  insert.run(Buffer.concat(versionIds));
}

/** Those that the head before noted; some of them may be gone. */
export function owedIn(db: DatabaseSync): Buffer[] {
  const row = statementOf(db, 'SELECT versions FROM owed_manifests').get();
  const ids = bytesOf(row?.['versions']);
  return Array.from({ length: ids.length / idBytes }, (_, at) => {
    return ids.subarray(at * idBytes, (at + 1) * idBytes);
  });
}

/** What a manifest keeps of a blob that was just written. */
export function manifestBlobOf(
  { id, keyNo, wrappedKey, chunks }: BlobRow,
  records: readonly ChunkRecord[],
): ManifestBlob {
  const kept = records.map((record, at) => ({
    plaintextBytes: chunks[at]?.plaintextBytes ?? 0,
    record,
  }));
  return { id, keyNo, wrappedKey, chunks: kept };
}

/** What a manifest keeps of a blob that is in the tables; undefined when it is not. */
export function findManifestBlob(db: DatabaseSync, id: Uint8Array): ManifestBlob | undefined {
  const row = findBlob(db, id);
  if (row === undefined) return undefined;
  return manifestBlobOf(
    row,
    row.chunks.map((chunk) => findChunk(db, chunk.id) ?? sliceOf(db, chunk.id)),
  );
}

/** Of a small object whose copies are gone, since it is in a pack: packs say what is in them. */
function sliceOf(db: DatabaseSync, id: Uint8Array): ChunkRecord {
  const row = statementOf(db, 'SELECT bytes FROM slices WHERE chunk = ?').get(id);
  const shape = { id, kind: 'copied', dataShards: 1, parityShards: 1 } as const;
  return { ...shape, bodyBytes: Number(row?.['bytes'] ?? 0), locations: [], digests: [] };
}
