import assert from 'node:assert/strict';
import { test } from 'node:test';

import { S3Error } from '../protocol/s3-error.ts';
import { MetaTables } from '../testing/meta-tables.ts';
import { createBucket, deleteBucket, findBucket } from './buckets.ts';

test('a store has ten thousand buckets at most, and room again once one is deleted', () => {
  using tables = new MetaTables();
  const make = (name: string): string => {
    const bucket = { name, owner: 'me', createdMs: 1, keyNo: 0, isLockable: false };
    try {
      tables.change((db) => createBucket(db, bucket));
      return 'made';
    } catch (error) {
      assert.ok(error instanceof S3Error, String(error));
      return error.s3Code;
    }
  };
  assert.equal(make('first'), 'made');
  tables.change((db) => {
    db.exec(`WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < 9998)
      INSERT INTO s3_buckets (name, no, owner, created_ms, key_no, versioning, is_lockable,
        lock_mode, objects, bytes, upload_bytes)
      SELECT 'b' || n, 1000000 + n, 'me', 0, 0, 0, 0, 0, 0, 0, 0 FROM more`);
  });
  assert.equal(make('last'), 'made');
  assert.equal(make('more'), 'TooManyBuckets');
  const last = findBucket(tables.db, 'last');
  assert.ok(last !== undefined);
  tables.change((db) => deleteBucket(db, last));
  assert.equal(make('more'), 'made');
});
