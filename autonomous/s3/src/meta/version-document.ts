import type { DatabaseSync } from 'node:sqlite';

import { bytesOf, findManifestBlob, retainBlob } from '@commongrid/zstor';
import type { Manifest, ManifestBlob } from '@commongrid/zstor';

import type { Body, BodyBlob, BodyPart, NewBody } from './bodies.ts';
import { findBody, insertBody, restoreBody } from './bodies.ts';
import { countGrowth, findBucketByNo, insertBucket } from './buckets.ts';
import type { Bucket } from './buckets.ts';
import type { LockState } from './lock-columns.ts';
import { lockOfNew } from './locks.ts';
import type { LockRules } from './locks.ts';
import { dropVersion } from './put-version.ts';
import type { NewVersion } from './put-version.ts';
import { nextSequence, raiseSequence } from './s3-tables.ts';
import { alter, rowOf, rowsOf } from './statements.ts';
import { findById, findNull, insertLatest } from './versions.ts';
import type { KeptHeaders, StoredChecksum } from './versions.ts';

/** A version that is to be made, as its manifest describes it. */
export interface DocumentedVersion extends LockState, KeptHeaders {
  readonly key: string;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly modifiedMs: number;
  readonly checksum: StoredChecksum | undefined;
  readonly partCount: number | undefined;
  readonly body: Body;
}

/**
 * As it stands in a manifest: JSON, bytes in base64. A small body follows it behind a zero byte, as it is;
 * stores that are older have it within, as `inline`.
 */
interface VersionDocument extends Omit<DocumentedVersion, 'body'> {
  readonly bucket: Bucket;
  readonly inline?: string;
  readonly parts?: readonly {
    readonly number: number;
    readonly checksum?: string;
    readonly pieces: readonly {
      readonly id?: string;
      readonly sealed?: string;
      readonly sizeBytes: number;
    }[];
  }[];
}

/** What the manifest of a version says of it: enough to make its rows again. */
function documentOf(bucket: Bucket, { body, ...version }: DocumentedVersion): Buffer {
  const { objects: _, bytes: __, uploadBytes: ___, ...kept } = bucket;
  const common = { bucket: kept, ...version };
  if ('inline' in body) {
    return Buffer.concat([Buffer.from(`${JSON.stringify(common)}\0`), body.inline]);
  }
  const parts = body.parts.map(({ number, checksum, blobs }) => ({
    ...{ number, checksum },
    pieces: blobs.map(({ id, sealed, sizeBytes }) => ({
      ...{ id: id && base64(id), sealed: sealed && base64(sealed), sizeBytes },
    })),
  }));
  return Buffer.from(JSON.stringify({ ...common, parts }));
}

/**
 * The same of an object that `putVersion` is to make.
 * @throws S3Error InvalidRequest, InvalidArgument for a lock that it cannot have
 */
export function documentOfNew(bucket: Bucket, version: NewVersion, rules: LockRules): Buffer {
  const { key, sizeBytes, etag, modifiedMs, checksum, headers, body } = version;
  const { system, user, tags } = headers;
  return documentOf(bucket, {
    ...{ key, sizeBytes, etag, modifiedMs, checksum, partCount: undefined, system, user, tags },
    ...lockOfNew(bucket, headers, modifiedMs, rules),
    body:
      'inline' in body
        ? { inline: Buffer.from(body.inline) }
        : { parts: [{ number: 1, sizeBytes, checksum: undefined, blobs: body.blobs }] },
  });
}

/** What a manifest has of the blobs of a body that is in the tables. */
export function manifestBlobsOf(db: DatabaseSync, body: NewBody): readonly ManifestBlob[] {
  if ('inline' in body) return [];
  return body.blobs.flatMap(({ id }) => (id && findManifestBlob(db, id)) ?? []);
}

/** What the tables have for the manifest of a version; undefined when there is none with this id. */
export function findManifest(db: DatabaseSync, id: Buffer): Manifest | undefined {
  const version = findById(db, id);
  const bucket = version && findBucketByNo(db, version.bucket);
  if (version?.body === undefined || bucket === undefined) return undefined;
  const { key, sizeBytes, etag, modifiedMs, checksum, partCount, system, user, tags } = version;
  const { lock, legalHold } = version;
  const body = findBody(db, version.body);
  const document = documentOf(bucket, {
    ...{ key, sizeBytes, etag, modifiedMs, checksum, partCount, system, user, tags },
    ...{ lock, legalHold, body },
  });
  const pieces = 'inline' in body ? body : { blobs: body.parts.flatMap(({ blobs }) => blobs) };
  return { versionId: id, document, blobs: manifestBlobsOf(db, pieces) };
}

/**
 * Makes the rows of a version again from its manifest, where they are missing: for tables that are
 * older than the version. Whatever the order in which manifests come, versions of a key are in the
 * order of their ids, and of null versions the newest stays. A bucket that is missing is made again.
 * @param insertBlob makes a blob of the manifest known, with one reference
 * @returns whether the version was missing
 */
export function restoreVersion(
  db: DatabaseSync,
  { versionId, document, blobs }: Manifest,
  insertBlob: (db: DatabaseSync, blob: ManifestBlob) => void,
): boolean {
  const { told, inline } = readDocument(document);
  const id = Buffer.from(versionId);
  const bucket = findBucketByNo(db, told.bucket.no) ?? restoreBucket(db, told.bucket);
  const key = Buffer.from(told.key);
  const known = 'SELECT 1 FROM s3_versions WHERE bucket = ? AND key = ? AND id = ?';
  if (rowOf(db, known, bucket.no, key, id) !== undefined) return false;
  const isNull = told.bucket.versioning !== 'enabled';
  const replaced = isNull ? findNull(db, bucket.no, told.key) : undefined;
  if (replaced !== undefined) {
    if (replaced.id.compare(id) > 0) return false;
    const { isMarker, sizeBytes } = replaced;
    if (!isMarker) countGrowth(db, unlimited(bucket), { objects: -1, bytes: -sizeBytes });
    dropVersion(db, replaced);
  }
  const sequence = nextSequence(db);
  if (inline === undefined) restoreParts(db, sequence, told, blobs, insertBlob);
  else insertBody(db, sequence, { inline });
  countGrowth(db, unlimited(bucket), { objects: 1, bytes: told.sizeBytes });
  const { bucket: _, inline: __, parts: ___, ...facts } = told;
  insertLatest(db, {
    ...{ checksum: undefined, partCount: undefined, lock: undefined, legalHold: undefined },
    ...{ ...facts, bucket: bucket.no, sequence, id, isNull, isMarker: false, body: sequence },
  });
  sortVersions(db, bucket.no, key);
  return true;
}

function readDocument(document: Uint8Array): { told: VersionDocument; inline: Buffer | undefined } {
  const bytes = Buffer.from(document.buffer, document.byteOffset, document.length);
  const end = bytes.indexOf(0);
  const told: VersionDocument = JSON.parse(bytes.toString('utf8', 0, end < 0 ? undefined : end));
  if (end >= 0) return { told, inline: Buffer.from(bytes.subarray(end + 1)) };
  const { inline } = told;
  return { told, inline: inline === undefined ? undefined : Buffer.from(inline, 'base64') };
}

function restoreBucket(db: DatabaseSync, told: Bucket): Bucket {
  // Another bucket may have got the name, when this one was deleted; or is about to come back.
  const isTaken = rowOf(db, 'SELECT 1 FROM s3_buckets WHERE name = ?', told.name) !== undefined;
  const name = isTaken ? `${told.name.slice(0, 40)}-${told.no}` : told.name;
  const bucket = { ...told, name, objects: 0, bytes: 0, uploadBytes: 0 };
  insertBucket(db, bucket);
  raiseSequence(db, told.no);
  return bucket;
}

/** What was there before has room. */
function unlimited(bucket: Bucket): Bucket {
  return { ...bucket, quota: { bytes: undefined, objects: undefined } };
}

function restoreParts(
  db: DatabaseSync,
  no: number,
  { parts = [] }: VersionDocument,
  blobs: readonly ManifestBlob[],
  insertBlob: (db: DatabaseSync, blob: ManifestBlob) => void,
): void {
  const known = 'SELECT 1 FROM blobs WHERE id = ?';
  const restored = parts.map((part): BodyPart => {
    const pieces = part.pieces.map(({ id, sealed, sizeBytes }): BodyBlob => ({
      id: id === undefined ? undefined : Buffer.from(id, 'base64'),
      sealed: sealed === undefined ? undefined : Buffer.from(sealed, 'base64'),
      sizeBytes,
    }));
    for (const { id } of pieces) {
      if (id === undefined) continue;
      const blob = blobs.find((each) => id.equals(each.id));
      if (rowOf(db, known, id) !== undefined) retainBlob(db, id);
      else if (blob !== undefined) insertBlob(db, blob);
    }
    const sizeBytes = pieces.reduce((sum, piece) => sum + piece.sizeBytes, 0);
    return { number: part.number, sizeBytes, checksum: part.checksum, blobs: pieces };
  });
  restoreBody(db, no, restored);
}

/** Gives the versions of a key new numbers, in the order of their ids. */
function sortVersions(db: DatabaseSync, bucket: number, key: Buffer): void {
  const sql = `SELECT sequence, id FROM s3_versions WHERE bucket = ? AND key = ? ORDER BY id`;
  const rows = rowsOf(db, sql, bucket, key).map((row) => ({
    ...{ sequence: Number(row['sequence']), id: bytesOf(row['id']) },
  }));
  const isSorted = rows.every(({ sequence }, at) => at === 0 || sequence > rowAt(rows, at - 1));
  if (isSorted) return;
  const move = `UPDATE s3_versions SET sequence = ?, is_latest = ?
    WHERE bucket = ? AND key = ? AND sequence = ?`;
  for (const [at, { sequence }] of rows.entries()) {
    const isLatest = Number(at === rows.length - 1);
    alter(db, move, nextSequence(db), isLatest, bucket, key, sequence);
  }
}

function rowAt(rows: readonly { readonly sequence: number }[], at: number): number {
  return rows[at]?.sequence ?? 0;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
