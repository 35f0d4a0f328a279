import assert from 'node:assert/strict';
import type { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';

import { createBucket, requireBucket } from '../meta/buckets.ts';
import { putVersion } from '../meta/put-version.ts';
import { createUpload, putPart } from '../meta/uploads.ts';
import { MetaTables, noHeaders } from '../testing/meta-tables.ts';
import { checkTables } from './fsck-checks.ts';
import type { FsckOptions, FsckResult } from './fsck-checks.ts';

const rules = { conditions: {}, datesMs: 1000 };
const usual: FsckOptions = { snapshotChunks: new Set(), readable: new Set([1, 2]) };

/** A bucket with an inline object, one of two blobs, an older version, and an upload under way. */
function fill(tables: MetaTables): void {
  tables.change((db) => {
    const bucket = { name: 'data', owner: 'x', createdMs: 0, keyNo: 0, isLockable: true };
    createBucket(db, bucket);
  });
  const put = (key: string, sizes: readonly number[]): void => {
    tables.change((db) => {
      const blobs = sizes.map((sizeBytes) => tables.newBlob(db, sizeBytes));
      const body = sizes.length === 0 ? { inline: Buffer.from('abc') } : { blobs };
      const sizeBytes = sizes.length === 0 ? 3 : sizes.reduce((sum, size) => sum + size);
      const told = { sizeBytes, etag: 'e', modifiedMs: 1, headers: noHeaders, checksum: undefined };
      putVersion(
        db,
        requireBucket(db, 'data'),
        { key, id: tables.ids.next(), ...told, body },
        rules,
      );
    });
  };
  put('inline', []);
  put('large', [700]);
  put('large', [700, 50]);
  tables.change((db) => {
    const bucket = requireBucket(db, 'data');
    const id = tables.ids.next();
    const upload = { key: 'up', id, owner: 'x', startedMs: 1, headers: noHeaders };
    createUpload(db, bucket, { ...upload, checksum: undefined }, rules);
    const part = { number: 1, sizeBytes: 90, etag: 'e', checksum: undefined, modifiedMs: 1 };
    const body = { blobs: [tables.newBlob(db, 90)] };
    putPart(db, bucket, { key: 'up', uploadId: id.toString('hex') }, { ...part, body });
  });
}

function check(damage: string, options: FsckOptions = usual): FsckResult {
  using tables = new MetaTables();
  fill(tables);
  tables.db.exec(damage);
  return checkTables(tables.db, options);
}

const firstBlob = 'SELECT min(id) FROM blobs';

describe('a check of the tables', () => {
  test('finds nothing where all fits', () => {
    const { versions, blobs, chunks, counts } = check('');
    assert.deepEqual(
      { versions, blobs, chunks, counts },
      {
        ...{ versions: 3, blobs: 4, chunks: 4, counts: {} },
      },
    );
  });

  const damages: readonly (readonly [damage: string, kind: string])[] = [
    ['UPDATE s3_versions SET bucket = 77', 'version-without-bucket'],
    [`UPDATE s3_versions SET is_latest = 0`, 'latest-wrong'],
    [`UPDATE s3_versions SET is_latest = 1`, 'latest-wrong'],
    ['DELETE FROM s3_inline', 'body-missing'],
    ['UPDATE s3_versions SET body = NULL', 'body-missing'],
    [`UPDATE s3_parts SET size_bytes = size_bytes + 1`, 'size-wrong'],
    ['INSERT INTO s3_marks VALUES (1, 64, 1, 0, 1)', 'mark-wrong'],
    [`DELETE FROM blobs WHERE id = (${firstBlob})`, 'blob-missing'],
    ['UPDATE s3_parts SET inline = 777, blob = NULL', 'small-body-missing'],
    [`INSERT INTO s3_inline VALUES (777, x'00')`, 'body-unused'],
    [`DELETE FROM blob_chunks WHERE blob = (${firstBlob})`, 'blob-empty'],
    ['DELETE FROM chunks', 'chunk-missing'],
    [`INSERT INTO slices VALUES (x'00', x'77', 0, 1)`, 'pack-missing'],
    ['INSERT INTO dead SELECT id, 0 FROM chunks', 'chunk-dead'],
    ['UPDATE s3_buckets SET objects = objects - 1', 'counter-wrong'],
    ['UPDATE s3_buckets SET bytes = bytes + 1', 'counter-wrong'],
    ['UPDATE s3_buckets SET upload_bytes = 0', 'counter-wrong'],
    ['UPDATE blobs SET refs = refs + 1', 'references-wrong'],
    ['DELETE FROM s3_parts', 'references-wrong'],
  ];
  for (const [damage, kind] of damages) {
    test(`finds ${kind} after ${damage}`, () => {
      const { counts, findings } = check(damage);
      assert.ok((counts[kind] ?? 0) > 0, JSON.stringify(counts));
      assert.ok(findings.some((finding) => finding.kind === kind && finding.text !== ''));
    });
  }

  test('finds chunks of which too few shards can be read', () => {
    assert.deepEqual(check('', { ...usual, readable: new Set([2]) }).counts, {});
    const { counts } = check('', { ...usual, readable: new Set() });
    assert.deepEqual(counts, { 'chunk-unreadable': 4 });
  });

  test('takes blobs of snapshots for what they are', () => {
    using tables = new MetaTables();
    fill(tables);
    const newBlob = (db: DatabaseSync): void => void tables.newBlob(db, 10);
    tables.change(newBlob);
    assert.deepEqual(checkTables(tables.db, usual).counts, { 'references-wrong': 1 });
    const row = tables.db.prepare('SELECT lower(hex(max(chunk))) AS id FROM blob_chunks').get();
    const snapshotChunks = new Set([String(row?.['id'])]);
    assert.deepEqual(checkTables(tables.db, { ...usual, snapshotChunks }).counts, {});
  });

  test('tells a hundred findings of a kind, and counts all', () => {
    const many = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
      INSERT INTO s3_inline SELECT 1000 + i, x'00' FROM n`;
    const { counts, findings } = check(many);
    assert.deepEqual(counts, { 'body-unused': 300 });
    assert.equal(findings.length, 100);
  });
});
