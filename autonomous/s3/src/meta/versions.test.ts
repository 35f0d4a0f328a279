import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import fc from 'fast-check';

import { S3Error } from '../protocol/s3-error.ts';
import { MetaTables, noHeaders } from '../testing/meta-tables.ts';
import { ModelBucket } from '../testing/model-bucket.ts';
import type { ModelStep } from '../testing/model-bucket.ts';
import { shareBody } from './bodies.ts';
import { createBucket, deleteBucket, findBucket, setQuota, setVersioning } from './buckets.ts';
import type { BucketRef } from './buckets.ts';
import { deleteObject } from './delete-object.ts';
import { listObjects, listVersions } from './lists.ts';
import { putVersion } from './put-version.ts';
import { findCurrent, findVersion, requireObject } from './versions.ts';

const keys = ['a', 'a/b', 'a/c', 'b', 'é'];
const rules = { conditions: {}, datesMs: 1 };

function makeBucket(tables: MetaTables, isLockable = false): BucketRef {
  const bucket = { name: 'one', owner: 'me', createdMs: 1, keyNo: 0, isLockable };
  return tables.change((db) => createBucket(db, bucket));
}

/** Does a step on the tables. @returns the version id that it made or took, or the S3 code */
function run(
  tables: MetaTables,
  ref: BucketRef,
  step: ModelStep,
  idOf: (key: string, back: number) => string | undefined,
): string | undefined {
  const { ids } = tables;
  try {
    return tables.change((db) => {
      if (step.kind === 'versioning') {
        setVersioning(db, ref, step.to);
        return undefined;
      }
      if (step.kind === 'put') {
        const { key, sizeBytes, etag, conditions } = step;
        const body =
          sizeBytes < 5
            ? { inline: Buffer.alloc(sizeBytes) }
            : { blobs: [tables.newBlob(db, sizeBytes)] };
        const facts = { key, id: ids.next(), sizeBytes, etag, modifiedMs: 1, body };
        const version = { ...facts, headers: noHeaders, checksum: undefined };
        return putVersion(db, ref, version, { ...rules, conditions }).versionId;
      }
      if (step.kind === 'copy') {
        const source = requireObject(db, ref.no, step.from, undefined);
        const { sizeBytes, etag, body = 0 } = source;
        const facts = { key: step.key, id: ids.next(), sizeBytes, etag, modifiedMs: 1 };
        const made = { headers: noHeaders, checksum: undefined, body: shareBody(db, body) };
        return putVersion(db, ref, { ...facts, ...made }, rules).versionId;
      }
      const versionId = step.kind === 'delete' ? undefined : idOf(step.key, step.back);
      const deletion = { key: step.key, versionId, markerId: ids.next(), nowMs: 1 };
      const conditions = step.kind === 'delete' ? step.conditions : {};
      return deleteObject(db, ref, deletion, { ...rules, conditions }).versionId;
    });
  } catch (error) {
    if (error instanceof S3Error) return error.s3Code;
    throw error;
  }
}

const anyKey = fc.constantFrom(...keys);
const etag = fc.constantFrom('x', 'y');
const conditions = fc.oneof(
  { weight: 4, arbitrary: fc.constant({}) },
  fc.constant({ 'if-none-match': '*' }),
  fc.constant({ 'if-match': '*' }),
  etag.map((value) => ({ 'if-match': `"${value}"` })),
);
const step: fc.Arbitrary<ModelStep> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      ...{ kind: fc.constant('put' as const), key: anyKey, etag, conditions },
      sizeBytes: fc.nat({ max: 9 }),
    }),
  },
  fc.record({ kind: fc.constant('copy' as const), key: anyKey, from: anyKey }),
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('delete' as const), key: anyKey, conditions }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      ...{ kind: fc.constant('delete-version' as const), key: anyKey },
      back: fc.nat({ max: 3 }),
    }),
  },
  fc.record({
    kind: fc.constant('versioning' as const),
    to: fc.constantFrom('enabled' as const, 'suspended' as const),
  }),
);

suite('versions', () => {
  test('are those of a plain model, whatever is put, copied, deleted and switched', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        using tables = new MetaTables();
        const ref = makeBucket(tables);
        const model = new ModelBucket();
        for (const each of steps) {
          const made = run(tables, ref, each, (of, back) => model.idOf(of, back));
          const expected = model.run(each, made);
          assert.equal(made, expected, JSON.stringify(each));
          const all = { prefix: '', delimiter: undefined, max: 1000, from: undefined };
          const versions = listVersions(tables.db, ref.no, all).rows;
          assert.deepEqual(
            versions.map((version) => ({
              ...{ key: version.key, versionId: version.versionId, isLatest: version.isLatest },
              ...{ isMarker: version.isMarker, sizeBytes: version.sizeBytes, etag: version.etag },
            })),
            model.versions(),
          );
          const objects = listObjects(tables.db, ref.no, all).rows;
          assert.deepEqual(
            objects.map((object) => object.key),
            model.objects(),
          );
        }
        tables.check();
      }),
      { numRuns: 300 },
    );
  });

  test('of a key are found by their id, and its newest one without', () => {
    using tables = new MetaTables();
    const ref = makeBucket(tables);
    const put = (tag: string): string | undefined => {
      const made = { kind: 'put', key: 'k', sizeBytes: 1, etag: tag, conditions: {} } as const;
      return run(tables, ref, made, () => '');
    };
    assert.equal(put('zero'), undefined);
    run(tables, ref, { kind: 'versioning', to: 'enabled' }, () => undefined);
    const one = put('one');
    put('two');
    const { db } = tables;
    assert.equal(findCurrent(db, ref.no, 'k')?.etag, 'two');
    assert.equal(findVersion(db, ref.no, 'k', one)?.etag, 'one');
    assert.equal(findVersion(db, ref.no, 'k', 'null')?.etag, 'zero');
    assert.equal(findVersion(db, ref.no, 'other', one), undefined);
    assert.throws(() => findVersion(db, ref.no, 'k', 'x'), { s3Code: 'InvalidArgument' });
    assert.throws(() => requireObject(db, ref.no, 'k', 'f'.repeat(32)), {
      s3Code: 'NoSuchVersion',
    });
    run(tables, ref, { kind: 'delete', key: 'k', conditions: {} }, () => undefined);
    const marker = findCurrent(db, ref.no, 'k')?.versionId ?? '';
    assert.throws(() => requireObject(db, ref.no, 'k', undefined), {
      s3Code: 'NoSuchKey',
      headers: { 'x-amz-delete-marker': 'true', 'x-amz-version-id': marker },
    });
    assert.throws(() => requireObject(db, ref.no, 'k', marker), { s3Code: 'MethodNotAllowed' });
  });

  test('are refused at the byte and the object above the quota', () => {
    using tables = new MetaTables();
    const ref = makeBucket(tables);
    const put = (to: string, sizeBytes: number): string | undefined => {
      const made = { kind: 'put', key: to, sizeBytes, etag: 'x', conditions: {} } as const;
      return run(tables, ref, made, () => '');
    };
    tables.change((db) => setQuota(db, ref, { bytes: 10, objects: 2 }));
    assert.equal(put('a', 6), undefined);
    assert.equal(put('b', 5), 'QuotaExceeded');
    assert.equal(put('b', 4), undefined);
    assert.equal(put('c', 0), 'QuotaExceeded');
    assert.equal(put('a', 7), 'QuotaExceeded');
    tables.change((db) => setQuota(db, ref, { bytes: 3, objects: 1 }));
    // What makes it less is no reason to refuse, even where it is too much still.
    assert.equal(put('a', 5), undefined);
    tables.check();
  });

  test('do not go into a bucket that has the name of another by now', () => {
    using tables = new MetaTables();
    const before = makeBucket(tables);
    tables.change((db) => deleteBucket(db, before));
    const now = makeBucket(tables);
    assert.notEqual(now.no, before.no);
    const put = { kind: 'put', key: 'k', sizeBytes: 1, etag: 'x', conditions: {} } as const;
    assert.equal(
      run(tables, before, put, () => ''),
      'NoSuchBucket',
    );
    assert.equal(
      run(tables, now, put, () => ''),
      undefined,
    );
    assert.throws(() => tables.change((db) => deleteBucket(db, now)), { s3Code: 'BucketNotEmpty' });
    assert.equal(findBucket(tables.db, 'one')?.objects, 1);
  });
});
