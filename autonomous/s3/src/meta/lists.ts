import type { DatabaseSync } from 'node:sqlite';

import { bytesOf } from '@commongrid/zstor';

import type { ListedObject, ListedUpload, ListedVersion } from '../protocol/list-documents.ts';
import { pageOf, placeAfterKey } from './key-pages.ts';
import type { KeyRows, Page, PageRequest, Place } from './key-pages.ts';
import { idText, parseVersionId } from './object-ids.ts';
import { rowOf, rowsOf } from './statements.ts';
import type { Row } from './statements.ts';
import { checksumKindOf, findVersion } from './versions.ts';

const currentColumns = 'key, size_bytes, etag, modified_ms, checksum_algorithm, checksum_type';
const versionColumns = `${currentColumns}, sequence, id, is_null, is_marker, is_latest`;

/** Objects of a bucket: the current versions that are no markers, from an index of just those. */
export function listObjects(
  db: DatabaseSync,
  bucket: number,
  request: PageRequest,
): Page<ListedObject> {
  const sql = `SELECT ${currentColumns} FROM s3_versions INDEXED BY s3_current
    WHERE bucket = ? AND key >= ? AND key < ? AND is_latest = 1 AND is_marker = 0
    ORDER BY key LIMIT ?`;
  const source: KeyRows<Row> = {
    ofKeys: (from, end, limit) => rowsOf(db, sql, bucket, from, end, limit),
    keyOf,
  };
  return mapPage(pageOf(source, request), listedObjectOf);
}

/** Versions and markers of a bucket, the newest of each key first. */
export function listVersions(
  db: DatabaseSync,
  bucket: number,
  request: PageRequest,
): Page<ListedVersion> {
  const ofKey = `SELECT ${versionColumns} FROM s3_versions
    WHERE bucket = ? AND key = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?`;
  const ofKeys = `SELECT ${versionColumns} FROM s3_versions
    WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key, sequence DESC LIMIT ?`;
  const source: KeyRows<Row> = {
    ofKeys: (from, end, limit) => rowsOf(db, ofKeys, bucket, from, end, limit),
    keyOf,
    within: {
      ofKey: (key, below, limit) => rowsOf(db, ofKey, bucket, key, below, limit),
      valueOf: (row) => Number(row['sequence']),
    },
  };
  return mapPage(pageOf(source, request), listedVersionOf);
}

/** Uploads of a bucket that are neither completed nor aborted, of each key the oldest first. */
export function listUploads(
  db: DatabaseSync,
  bucket: number,
  request: PageRequest,
): Page<ListedUpload> {
  const ofKey = `SELECT * FROM s3_uploads
    WHERE bucket = ? AND key = ? AND id > ? ORDER BY id LIMIT ?`;
  const ofKeys = `SELECT * FROM s3_uploads
    WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key, id LIMIT ?`;
  const source: KeyRows<Row> = {
    ofKeys: (from, end, limit) => rowsOf(db, ofKeys, bucket, from, end, limit),
    keyOf,
    within: {
      ofKey: (key, after, limit) => rowsOf(db, ofKey, bucket, key, after, limit),
      valueOf: (row) => bytesOf(row['id']),
    },
  };
  return mapPage(pageOf(source, request), listedUploadOf);
}

/**
 * Behind the version that a page of versions ended with.
 * @throws S3Error InvalidArgument for what is no version id
 */
export function placeAfterVersion(
  db: DatabaseSync,
  bucket: number,
  key: string,
  versionId: string,
): Place {
  const bytes = Buffer.from(key);
  const version = findVersion(db, bucket, key, versionId);
  if (version !== undefined) return { key: bytes, behind: version.sequence };
  // It was deleted meanwhile. Ids rise nearly as sequences do; of a null version nothing is known.
  const id = parseVersionId(versionId);
  if (id === 'null') return { key: bytes };
  const sql = `SELECT max(sequence) AS below FROM s3_versions
    WHERE bucket = ? AND key = ? AND id < ?`;
  const below = rowOf(db, sql, bucket, bytes, id)?.['below'];
  return typeof below === 'number' ? { key: bytes, behind: below + 1 } : placeAfterKey(bytes);
}

function keyOf(row: Row): Buffer {
  return bytesOf(row['key']);
}

function listedObjectOf(row: Row): ListedObject {
  const checksum = checksumKindOf(row);
  return {
    key: keyOf(row).toString('utf8'),
    modifiedMs: Number(row['modified_ms']),
    etag: String(row['etag']),
    sizeBytes: Number(row['size_bytes']),
    ...(checksum && { checksum }),
  };
}

function listedVersionOf(row: Row): ListedVersion {
  return {
    ...listedObjectOf(row),
    versionId: row['is_null'] === 1 ? 'null' : idText(bytesOf(row['id'])),
    isLatest: row['is_latest'] === 1,
    isMarker: row['is_marker'] === 1,
  };
}

function listedUploadOf(row: Row): ListedUpload {
  const checksum = checksumKindOf(row);
  return {
    key: keyOf(row).toString('utf8'),
    uploadId: idText(bytesOf(row['id'])),
    startedMs: Number(row['started_ms']),
    ...(checksum && { checksum }),
  };
}

function mapPage<R, T>(page: Page<R>, map: (row: R) => T): Page<T> {
  const { commonPrefixes, isTruncated, last } = page;
  const rows = page.rows.map((row) => map(row));
  const lastRow = rows.at(-1);
  const isRow = last !== undefined && 'row' in last && lastRow !== undefined;
  const common = last !== undefined && 'commonPrefix' in last ? last : undefined;
  return { rows, commonPrefixes, isTruncated, last: isRow ? { row: lastRow } : common };
}
