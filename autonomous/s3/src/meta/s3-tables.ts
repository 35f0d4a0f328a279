import type { DatabaseSync } from 'node:sqlite';

import { rowOf } from './statements.ts';

/**
 * The tables of buckets and objects.
 *
 * - `s3_sequence` numbers versions, buckets and bodies in the order of their changes.
 * - `s3_buckets`: `versioning` is 0 off, 1 enabled, 2 suspended; `lock_mode` 0 none, 1 governance,
 *   2 compliance, of the default retention; `key_no` wraps the keys of its blobs. `objects` and
 *   `bytes` count versions that are no markers, `upload_bytes` parts of uploads.
 * - `s3_documents`: what a bucket is configured with, by kind.
 * - `s3_versions`: keys are their UTF-8, so that their order is that of S3. `sequence` falls, so
 *   that the newest version of a key is its first row. `id` is that of its manifest and, but for
 *   null versions, its version id. `s3_current` has all that a list tells, of the newest versions
 *   that are no markers: no list comes across anything else.
 * - `s3_inline`: small bodies, sealed. `s3_parts`: what all other bodies are made of, in order, and
 *   uploads: a blob, or as `inline` the number of a small body. `etag`, `checksum` and `modified_ms`
 *   stand in the first row of a part of an upload. Completing an upload gives its body to the version,
 *   without touching these rows.
 * - `s3_released`: bodies that nothing refers to, whose blobs are released step by step.
 * - `s3_completed`: uploads that were completed lately, for requests that are repeated.
 */
export const metaTables = `
  CREATE TABLE s3_sequence (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    last INTEGER NOT NULL
  ) STRICT;
  INSERT INTO s3_sequence VALUES (1, 0);
  CREATE TABLE s3_buckets (
    name TEXT NOT NULL PRIMARY KEY,
    no INTEGER NOT NULL,
    owner TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    key_no INTEGER NOT NULL,
    versioning INTEGER NOT NULL,
    is_lockable INTEGER NOT NULL,
    lock_mode INTEGER NOT NULL,
    lock_days INTEGER,
    lock_years INTEGER,
    quota_bytes INTEGER,
    quota_objects INTEGER,
    objects INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    upload_bytes INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE s3_documents (
    bucket INTEGER NOT NULL,
    kind TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (bucket, kind)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE s3_versions (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    id BLOB NOT NULL,
    is_null INTEGER NOT NULL,
    is_marker INTEGER NOT NULL,
    is_latest INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    etag TEXT NOT NULL,
    modified_ms INTEGER NOT NULL,
    checksum_algorithm TEXT,
    checksum_type TEXT,
    checksum TEXT,
    part_count INTEGER,
    lock_mode INTEGER NOT NULL,
    retain_until_ms INTEGER,
    legal_hold INTEGER,
    body INTEGER,
    tags TEXT,
    headers TEXT NOT NULL,
    PRIMARY KEY (bucket, key, sequence DESC)
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX s3_current ON s3_versions (
    bucket, key, size_bytes, etag, modified_ms, checksum_algorithm, checksum_type
  ) WHERE is_latest = 1 AND is_marker = 0;
  CREATE INDEX s3_version_ids ON s3_versions (id, bucket, key);
  CREATE TABLE s3_inline (
    body INTEGER PRIMARY KEY,
    sealed BLOB NOT NULL
  ) STRICT;
  CREATE TABLE s3_parts (
    body INTEGER NOT NULL,
    part INTEGER NOT NULL,
    position INTEGER NOT NULL,
    blob BLOB,
    inline INTEGER,
    size_bytes INTEGER NOT NULL,
    etag TEXT,
    checksum TEXT,
    modified_ms INTEGER,
    PRIMARY KEY (body, part, position)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE s3_released (body INTEGER PRIMARY KEY) STRICT;
  CREATE TABLE s3_uploads (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    id BLOB NOT NULL,
    body INTEGER NOT NULL,
    owner TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    checksum_algorithm TEXT,
    checksum_type TEXT,
    lock_mode INTEGER NOT NULL,
    retain_until_ms INTEGER,
    legal_hold INTEGER,
    tags TEXT,
    headers TEXT NOT NULL,
    PRIMARY KEY (bucket, key, id)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE s3_completed (
    upload BLOB NOT NULL PRIMARY KEY,
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    list_hash BLOB NOT NULL,
    completed_ms INTEGER NOT NULL,
    result TEXT NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX s3_completed_ms ON s3_completed (completed_ms);
`;

/** The next number of a version, bucket or body. */
export function nextSequence(db: DatabaseSync): number {
  const row = rowOf(db, 'UPDATE s3_sequence SET last = last + 1 RETURNING last');
  return Number(row?.['last']);
}

/** Makes `nextSequence` give numbers above `no`. */
export function raiseSequence(db: DatabaseSync, no: number): void {
  rowOf(db, 'UPDATE s3_sequence SET last = max(last, ?) RETURNING last', no);
}
