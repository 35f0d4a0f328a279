import type { DatabaseSync } from 'node:sqlite';

import { bytesOf } from '@commongrid/zstor';

import { parseAlgorithm } from '../protocol/checksum.ts';
import type { Checksum, ChecksumType } from '../protocol/checksum.ts';
import type { ObjectHeaders } from '../protocol/object-headers.ts';
import { S3Error } from '../protocol/s3-error.ts';
import { lockStateOf, lockValues } from './lock-columns.ts';
import type { LockState } from './lock-columns.ts';
import { epochIn, idText, parseVersionId } from './object-ids.ts';
import { alter, numberOf, rowOf, textOf } from './statements.ts';
import type { Row } from './statements.ts';

/** A checksum that is kept with an object, and what it is of. */
export interface StoredChecksum extends Checksum {
  readonly type: ChecksumType;
}

/** What a version has of the headers it came with; its lock can change. */
export type KeptHeaders = Pick<ObjectHeaders, 'system' | 'user' | 'tags'>;

/** One version of an object, or a delete marker. */
export interface Version extends LockState, KeptHeaders {
  /** Number of the bucket. */
  readonly bucket: number;
  readonly key: string;
  /** Newer versions have higher ones. */
  readonly sequence: number;
  /** 16 bytes: of its manifest. */
  readonly id: Buffer;
  /** As clients know it: `null`, or the id. */
  readonly versionId: string;
  readonly isNull: boolean;
  readonly isMarker: boolean;
  readonly isLatest: boolean;
  readonly sizeBytes: number;
  /** Without quotes; empty for markers. */
  readonly etag: string;
  readonly modifiedMs: number;
  readonly checksum: StoredChecksum | undefined;
  /** Of objects that were uploaded in parts. */
  readonly partCount: number | undefined;
  /** For `findBody`; undefined for markers. */
  readonly body: number | undefined;
}

/** The newest version of a key, which may be a marker; undefined when there is none. */
export function findCurrent(db: DatabaseSync, bucket: number, key: string): Version | undefined {
  const sql =
    'SELECT * FROM s3_versions WHERE bucket = ? AND key = ? ORDER BY sequence DESC LIMIT 1';
  const row = rowOf(db, sql, bucket, Buffer.from(key));
  return row && versionOf(row);
}

/**
 * A version by its id, or the current one when `versionId` is undefined; markers, too.
 * @throws S3Error InvalidArgument for what is no version id
 */
export function findVersion(
  db: DatabaseSync,
  bucket: number,
  key: string,
  versionId: string | undefined,
): Version | undefined {
  if (versionId === undefined) return findCurrent(db, bucket, key);
  const id = parseVersionId(versionId);
  if (id === 'null') return findNull(db, bucket, key);
  const sql = `SELECT * FROM s3_versions
    WHERE bucket = ? AND id = ? AND is_null = 0 AND key = ? LIMIT 1`;
  const row = rowOf(db, sql, bucket, id, Buffer.from(key));
  return row && versionOf(row);
}

/**
 * Whether an id is that of no version, nor ever will be: it was given away by a head before this one.
 * @param epoch of this head
 */
export function isForgotten(db: DatabaseSync, id: Buffer, epoch: number): boolean {
  return (
    epochIn(id) < epoch && rowOf(db, 'SELECT 1 FROM s3_versions WHERE id = ?', id) === undefined
  );
}

/** The version with this id, which may be a marker. */
export function findById(db: DatabaseSync, id: Buffer): Version | undefined {
  const row = rowOf(db, 'SELECT * FROM s3_versions WHERE id = ? LIMIT 1', id);
  return row && versionOf(row);
}

/** The null version: the one that was made while the bucket did not keep versions. */
export function findNull(db: DatabaseSync, bucket: number, key: string): Version | undefined {
  const sql = `SELECT * FROM s3_versions WHERE bucket = ? AND key = ? AND is_null = 1
    ORDER BY sequence DESC LIMIT 1`;
  const row = rowOf(db, sql, bucket, Buffer.from(key));
  return row && versionOf(row);
}

/**
 * A version that is no marker.
 * @throws S3Error NoSuchKey, NoSuchVersion, MethodNotAllowed for a marker that was asked for by its
 *   id; the headers of the error tell of the marker, as S3 does
 */
export function requireObject(
  db: DatabaseSync,
  bucket: number,
  key: string,
  versionId: string | undefined,
): Version {
  const version = findVersion(db, bucket, key, versionId);
  if (version === undefined) {
    if (versionId === undefined)
      throw new S3Error('NoSuchKey', undefined, { elements: { Key: key } });
    const elements = { Key: key, VersionId: versionId };
    throw new S3Error('NoSuchVersion', undefined, { elements });
  }
  if (!version.isMarker) return version;
  const headers = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': version.versionId };
  if (versionId === undefined) {
    throw new S3Error('NoSuchKey', undefined, { elements: { Key: key }, headers });
  }
  throw new S3Error('MethodNotAllowed', undefined, {
    elements: { Method: 'GET', ResourceType: 'DeleteMarker' },
    headers: { ...headers, allow: 'DELETE' },
  });
}

/** A version that is to be the newest of its key. */
export type VersionRow = Omit<Version, 'versionId' | 'isLatest'>;

/** Writes a version as the newest of its key. */
export function insertLatest(db: DatabaseSync, version: VersionRow): void {
  const { bucket, key, sequence, id, isNull, isMarker, sizeBytes, etag, modifiedMs } = version;
  const { checksum, partCount, body, tags } = version;
  const bytes = Buffer.from(key);
  unsetLatest(db, bucket, bytes);
  const insert = `INSERT INTO s3_versions VALUES
    (?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
  alter(
    ...[db, insert, bucket, bytes, sequence, id, Number(isNull), Number(isMarker)],
    ...[sizeBytes, etag, modifiedMs],
    ...[checksum?.algorithm ?? null, checksum?.type ?? null, checksum?.value ?? null],
    ...[partCount ?? null, ...lockValues(version), body ?? null],
    ...[tagsColumn(tags), headersColumn(version)],
  );
}

/** Takes a version away; the next one of its key becomes the newest. */
export function removeVersion(db: DatabaseSync, version: Version): void {
  const { bucket, key, sequence, isLatest } = version;
  const bytes = Buffer.from(key);
  const gone = 'DELETE FROM s3_versions WHERE bucket = ? AND key = ? AND sequence = ?';
  alter(db, gone, bucket, bytes, sequence);
  if (!isLatest) return;
  const sql = `UPDATE s3_versions SET is_latest = 1 WHERE bucket = ?1 AND key = ?2 AND sequence =
    (SELECT max(sequence) FROM s3_versions WHERE bucket = ?1 AND key = ?2)`;
  alter(db, sql, bucket, bytes);
}

function unsetLatest(db: DatabaseSync, bucket: number, key: Buffer): void {
  const sql = `UPDATE s3_versions SET is_latest = 0 WHERE bucket = ?1 AND key = ?2 AND is_latest = 1
    AND sequence = (SELECT max(sequence) FROM s3_versions WHERE bucket = ?1 AND key = ?2)`;
  alter(db, sql, bucket, key);
}

export function setLockState(db: DatabaseSync, version: Version, state: LockState): void {
  const sql = `UPDATE s3_versions SET lock_mode = ?, retain_until_ms = ?, legal_hold = ?
    WHERE bucket = ? AND key = ? AND sequence = ?`;
  const { bucket, key, sequence } = version;
  alter(db, sql, ...lockValues(state), bucket, Buffer.from(key), sequence);
}

export function setTags(db: DatabaseSync, version: Version, tags: KeptHeaders['tags']): void {
  const { bucket, key, sequence } = version;
  const sql = 'UPDATE s3_versions SET tags = ? WHERE bucket = ? AND key = ? AND sequence = ?';
  alter(db, sql, tagsColumn(tags), bucket, Buffer.from(key), sequence);
}

export function versionOf(row: Row): Version {
  const id = bytesOf(row['id']);
  const isNull = row['is_null'] === 1;
  return {
    bucket: Number(row['bucket']),
    key: bytesOf(row['key']).toString('utf8'),
    sequence: Number(row['sequence']),
    id,
    versionId: isNull ? 'null' : idText(id),
    isNull,
    isMarker: row['is_marker'] === 1,
    isLatest: row['is_latest'] === 1,
    sizeBytes: Number(row['size_bytes']),
    etag: String(row['etag']),
    modifiedMs: Number(row['modified_ms']),
    checksum: checksumOf(row),
    partCount: numberOf(row['part_count']),
    body: numberOf(row['body']),
    ...lockStateOf(row),
    ...keptHeadersOf(row),
  };
}

/** Of the columns tags and headers, of versions and uploads. */
export function keptHeadersOf(row: Row): KeptHeaders {
  const tags = textOf(row['tags']);
  const { system, user }: Pick<KeptHeaders, 'system' | 'user'> = JSON.parse(String(row['headers']));
  return { system, user, tags: tags === undefined ? [] : JSON.parse(tags) };
}

export function headersColumn({ system, user }: Pick<KeptHeaders, 'system' | 'user'>): string {
  return JSON.stringify({ system, user });
}

export function tagsColumn(tags: KeptHeaders['tags']): string | null {
  return tags.length === 0 ? null : JSON.stringify(tags);
}

function checksumOf(row: Row): StoredChecksum | undefined {
  const described = checksumKindOf(row);
  const value = textOf(row['checksum']);
  return described && value !== undefined ? { ...described, value } : undefined;
}

/** Of the columns checksum_algorithm and checksum_type. */
export function checksumKindOf(row: Row): Pick<StoredChecksum, 'algorithm' | 'type'> | undefined {
  const algorithm = parseAlgorithm(textOf(row['checksum_algorithm']) ?? '');
  if (algorithm === undefined) return undefined;
  return { algorithm, type: row['checksum_type'] === 'COMPOSITE' ? 'COMPOSITE' : 'FULL_OBJECT' };
}
