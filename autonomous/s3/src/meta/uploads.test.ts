import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { suite, test } from 'node:test';

import { crc32 } from '@commongrid/base';
import fc from 'fast-check';

import { multipartEtag } from '../protocol/checksum.ts';
import type { Checksum } from '../protocol/checksum.ts';
import type { CompletedPart } from '../protocol/xml-requests.ts';
import { MetaTables, noHeaders } from '../testing/meta-tables.ts';
import { findBody, hasReleased, releaseSome } from './bodies.ts';
import { createBucket, deleteBucket, findBucket, setQuota } from './buckets.ts';
import type { BucketRef } from './buckets.ts';
import { completeUpload, forgetCompleted } from './complete-upload.ts';
import type { CompletedUpload } from './complete-upload.ts';
import { deleteObject } from './delete-object.ts';
import { abortUpload, createUpload, listParts, putPart, requireUpload } from './uploads.ts';
import type { ChecksumKind } from './uploads.ts';
import { findCurrent } from './versions.ts';

const mib = 2 ** 20;
const dayMs = 86_400_000;
const rules = { conditions: {}, datesMs: 1 };
const md5Of = (text: string): string => hash('md5', text, 'hex');

/** One bucket, and uploads to the key k. */
class Uploads implements Disposable {
  readonly tables = new MetaTables();
  readonly ref: BucketRef;

  constructor() {
    const bucket = { name: 'one', owner: 'me', createdMs: 1, keyNo: 0, isLockable: false };
    this.ref = this.tables.change((db) => createBucket(db, bucket));
  }

  begin(checksum?: ChecksumKind): { readonly key: string; readonly uploadId: string } {
    const id = this.tables.ids.next();
    const upload = { key: 'k', id, owner: 'me', startedMs: 1, headers: noHeaders, checksum };
    this.tables.change((db) => createUpload(db, this.ref, upload, rules));
    return { key: 'k', uploadId: id.toString('hex') };
  }

  put(
    upload: { readonly key: string; readonly uploadId: string },
    number: number,
    sizeBytes: number,
    text = `${number}`,
    checksum?: string,
  ): void {
    this.tables.change((db) => {
      const body =
        sizeBytes <= 4096
          ? { inline: Buffer.alloc(sizeBytes) }
          : { blobs: [this.tables.newBlob(db, sizeBytes)] };
      const part = { number, sizeBytes, etag: md5Of(text), checksum, modifiedMs: 1, body };
      putPart(db, this.ref, upload, part);
    });
  }

  complete(
    upload: { readonly key: string; readonly uploadId: string },
    parts: readonly CompletedPart[],
    { nowMs = 1, checksum }: { readonly nowMs?: number; readonly checksum?: Checksum } = {},
  ): CompletedUpload {
    const expected = { checksum, sizeBytes: undefined };
    const completion = { parts, id: this.tables.ids.next(), nowMs, expected };
    return this.tables.change((db) => {
      return completeUpload(db, this.ref, upload, completion, rules).result;
    });
  }

  [Symbol.dispose](): void {
    this.tables[Symbol.dispose]();
  }
}

function listed(number: number, text = `${number}`): CompletedPart {
  return { number, etag: md5Of(text), checksum: undefined };
}

suite('uploads', () => {
  test('become an object of the listed parts, and the others are let go', () => {
    using uploads = new Uploads();
    const { tables, ref } = uploads;
    const upload = uploads.begin();
    uploads.put(upload, 1, 5 * mib, 'before');
    uploads.put(upload, 1, 6 * mib);
    uploads.put(upload, 2, 7 * mib);
    uploads.put(upload, 7, 10);
    const { body } = requireUpload(tables.db, ref.no, upload);
    const found = listParts(tables.db, requireUpload(tables.db, ref.no, upload), { max: 2 });
    assert.deepEqual(
      found.map(({ number, sizeBytes }) => [number, sizeBytes]),
      [
        [1, 6 * mib],
        [2, 7 * mib],
      ],
    );
    tables.check();
    const done = uploads.complete(upload, [listed(1), listed(7)]);
    assert.equal(done.etag, multipartEtag([md5Of('1'), md5Of('7')]));
    const object = findCurrent(tables.db, ref.no, 'k');
    assert.equal(object?.sizeBytes, 6 * mib + 10);
    assert.equal(object.partCount, 2);
    assert.equal(object.body, body);
    const parts = findBody(tables.db, body);
    assert.ok('parts' in parts);
    assert.deepEqual(
      parts.parts.map(({ number, sizeBytes }) => [number, sizeBytes]),
      [
        [1, 6 * mib],
        [7, 10],
      ],
    );
    assert.equal(parts.parts[1]?.blobs[0]?.sealed?.length, 10);
    tables.check();
  });

  test('that were completed answer the same again for 7 days, to the same list', () => {
    using uploads = new Uploads();
    const { tables, ref } = uploads;
    const upload = uploads.begin();
    uploads.put(upload, 1, 5 * mib);
    uploads.put(upload, 2, 5);
    const list = [listed(1), listed(2)];
    const done = uploads.complete(upload, list);
    const deletion = { key: 'k', versionId: undefined, markerId: tables.ids.next(), nowMs: 1 };
    tables.change((db) => deleteObject(db, ref, deletion, rules));
    assert.deepEqual(uploads.complete(upload, list, { nowMs: 6 * dayMs }), done);
    assert.equal(findCurrent(tables.db, ref.no, 'k'), undefined);
    const gone = { s3Code: 'NoSuchUpload' };
    assert.throws(() => uploads.complete(upload, [listed(1)]), gone);
    assert.throws(() => uploads.put(upload, 3, 5), gone);
    assert.throws(() => tables.change((db) => abortUpload(db, ref, upload)), gone);
    tables.change((db) => forgetCompleted(db, 7 * dayMs));
    assert.deepEqual(uploads.complete(upload, list), done);
    tables.change((db) => forgetCompleted(db, 7 * dayMs + 2));
    assert.throws(() => uploads.complete(upload, list), gone);
    tables.check();
  });

  test('are not completed with parts that are missing, other ones, or too small', () => {
    using uploads = new Uploads();
    const upload = uploads.begin();
    uploads.put(upload, 1, 5 * mib);
    uploads.put(upload, 2, 5 * mib - 1);
    uploads.put(upload, 3, 0);
    const fails = (parts: readonly CompletedPart[], s3Code: string): void => {
      assert.throws(() => uploads.complete(upload, parts), { s3Code });
    };
    fails([listed(1), listed(4)], 'InvalidPart');
    fails([listed(1, 'other')], 'InvalidPart');
    fails([listed(1), listed(2), listed(3)], 'EntityTooSmall');
    uploads.tables.check();
    assert.equal(uploads.complete(upload, [listed(1), listed(3)]).versionId, undefined);
    uploads.tables.check();
  });

  test('have a checksum of the whole, from those of the parts', () => {
    const texts = ['first', 'second', 'third'];
    const crcOf = (text: string): string => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(crc32(Buffer.from(text), 0));
      return bytes.toString('base64');
    };
    const big = texts.map((text) => text.padEnd(5 * mib));
    for (const type of ['FULL_OBJECT', 'COMPOSITE'] as const) {
      using uploads = new Uploads();
      const upload = uploads.begin({ algorithm: 'CRC32', type });
      for (const [at, text] of big.entries()) {
        uploads.put(upload, at + 1, text.length, `${at + 1}`, crcOf(text));
      }
      const checksums = big.map(crcOf);
      const list = checksums.map((value, at) => ({
        ...listed(at + 1),
        checksum: { algorithm: 'CRC32' as const, value },
      }));
      const composite = Buffer.concat(checksums.map((value) => Buffer.from(value, 'base64')));
      const compositeCrc = Buffer.alloc(4);
      compositeCrc.writeUInt32BE(crc32(composite, 0));
      const value =
        type === 'FULL_OBJECT' ? crcOf(big.join('')) : `${compositeCrc.toString('base64')}-3`;
      const wrong = { algorithm: 'CRC32' as const, value: crcOf('wrong') };
      assert.throws(() => uploads.complete(upload, list, { checksum: wrong }), {
        s3Code: 'BadDigest',
      });
      const checksum = { algorithm: 'CRC32' as const, value };
      assert.deepEqual(uploads.complete(upload, list, { checksum }).checksum, {
        ...checksum,
        type,
      });
    }
  });

  test('count in the quota of their bucket, once', () => {
    using uploads = new Uploads();
    const { tables, ref } = uploads;
    tables.change((db) => setQuota(db, ref, { bytes: 10 * mib, objects: 1 }));
    const upload = uploads.begin();
    uploads.put(upload, 1, 5 * mib);
    uploads.put(upload, 2, 5 * mib);
    const full = { s3Code: 'QuotaExceeded' };
    assert.throws(() => uploads.put(upload, 3, 1), full);
    assert.throws(() => uploads.put(upload, 2, 5 * mib + 1), full);
    uploads.put(upload, 2, 5 * mib);
    uploads.complete(upload, [listed(1), listed(2)]);
    const bucket = findBucket(tables.db, ref.name);
    assert.deepEqual([bucket?.bytes, bucket?.uploadBytes, bucket?.objects], [10 * mib, 0, 1]);
    tables.check();
  });

  test('leave nothing behind, whatever is uploaded, completed, aborted and deleted', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('begin' as const) }),
      {
        weight: 4,
        arbitrary: fc.record({
          ...{ kind: fc.constant('put' as const), at: fc.nat({ max: 2 }) },
          number: fc.integer({ min: 1, max: 3 }),
          sizeBytes: fc.constantFrom(0, 10, 5 * mib, 70 * mib),
        }),
      },
      fc.record({
        ...{ kind: fc.constant('complete' as const), at: fc.nat({ max: 2 }) },
        numbers: fc.subarray([1, 2, 3], { minLength: 1 }),
      }),
      fc.record({ kind: fc.constant('abort' as const), at: fc.nat({ max: 2 }) }),
      fc.record({ kind: fc.constant('delete' as const) }),
      fc.record({ kind: fc.constant('release' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        using uploads = new Uploads();
        const { tables, ref } = uploads;
        const begun = [uploads.begin()];
        const act = (each: (typeof steps)[number]): void => {
          const upload = ('at' in each ? begun[each.at] : undefined) ?? begun[0];
          assert.ok(upload !== undefined);
          if (each.kind === 'begin') begun.push(uploads.begin());
          else if (each.kind === 'put') uploads.put(upload, each.number, each.sizeBytes);
          else if (each.kind === 'complete') {
            const list = each.numbers.map((number) => listed(number));
            uploads.complete(upload, list);
          } else if (each.kind === 'abort') {
            tables.change((db) => abortUpload(db, ref, upload));
          } else if (each.kind === 'delete') {
            const markerId = tables.ids.next();
            const deletion = { key: 'k', versionId: undefined, markerId, nowMs: 1 };
            tables.change((db) => deleteObject(db, ref, deletion, rules));
          } else tables.change((db) => releaseSome(db, 1));
        };
        const usual = /NoSuchUpload|InvalidPart|EntityTooSmall/;
        for (const each of steps) {
          try {
            act(each);
          } catch (error) {
            if (!usual.test(String((error as { s3Code?: string }).s3Code))) throw error;
          }
          tables.check();
        }
        const deletion = { key: 'k', versionId: undefined, markerId: tables.ids.next(), nowMs: 1 };
        tables.change((db) => deleteObject(db, ref, deletion, rules));
        tables.change((db) => deleteBucket(db, ref));
        while (hasReleased(tables.db)) tables.change((db) => releaseSome(db, 1));
        tables.check();
        for (const table of ['blobs', 's3_parts', 's3_inline', 's3_released', 's3_uploads']) {
          assert.equal(tables.db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'], 0);
        }
      }),
      { numRuns: 50 },
    );
  });
});
