import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { after, suite, test } from 'node:test';

import { adoptBlob } from '@commongrid/zstor';
import fc from 'fast-check';

import { MetaTables, noHeaders } from '../testing/meta-tables.ts';
import {
  findBody,
  findPartSpan,
  findStretch,
  hasReleased,
  releaseSome,
  shareBody,
} from './bodies.ts';
import type { BodyPart } from './bodies.ts';
import { createBucket, requireBucket } from './buckets.ts';
import { completeUpload } from './complete-upload.ts';
import { deleteObject } from './delete-object.ts';
import { putVersion } from './put-version.ts';
import { createUpload, putPart } from './uploads.ts';
import { findManifest, restoreVersion } from './version-document.ts';
import { findCurrent } from './versions.ts';
import type { Version } from './versions.ts';

const rules = { conditions: {}, datesMs: 1 };
const mebibyte = 2 ** 20;
/** Parts of the object: every second number, the last one empty. */
const parts = Array.from({ length: 400 }, (_, at) => ({
  number: 2 * at + 1,
  sizeBytes: at === 399 ? 0 : 5 * mebibyte + ((at * 7919) % 1000),
  etag: hash('md5', String(at)),
  checksum: undefined,
  modifiedMs: 1,
}));

function makeBucket(db: DatabaseSync): void {
  const bucket = { name: 'data', owner: 'x', createdMs: 0, keyNo: 0, isLockable: false };
  createBucket(db, bucket);
}

/** An object of 400 parts, its copy, which is one part, and both made again from their manifests. */
class LongBodies implements Disposable {
  readonly tables = new MetaTables();
  readonly restored = new MetaTables();

  constructor() {
    const { tables, restored } = this;
    tables.change((db) => this.#upload(db));
    tables.change((db) => this.#copy(db));
    for (const key of ['parts', 'copy']) {
      const manifest = findManifest(tables.db, current(tables.db, key).id);
      assert.ok(manifest !== undefined);
      restored.change((db) => restoreVersion(db, manifest, adoptBlob));
    }
  }

  /** Numbers of the bodies, in the tables in which they are. */
  get all(): readonly (readonly [DatabaseSync, number])[] {
    return [this.tables.db, this.restored.db].flatMap((db) => {
      return ['parts', 'copy'].map((key) => [db, current(db, key).body ?? 0] as const);
    });
  }

  [Symbol.dispose](): void {
    this.tables[Symbol.dispose]();
    this.restored[Symbol.dispose]();
  }

  #upload(db: DatabaseSync): void {
    makeBucket(db);
    const [bucket, id] = [requireBucket(db, 'data'), this.tables.ids.next()];
    const ref = { key: 'parts', uploadId: id.toString('hex') };
    const upload = { ...{ key: 'parts', id, owner: 'x' }, startedMs: 1, headers: noHeaders };
    createUpload(db, bucket, { ...upload, checksum: undefined }, rules);
    for (const part of parts) {
      const blobs = part.sizeBytes === 0 ? [] : [this.tables.newBlob(db, part.sizeBytes)];
      putPart(db, bucket, ref, { ...part, body: { blobs } });
    }
    const expected = { checksum: undefined, sizeBytes: undefined };
    const completion = { parts, id: this.tables.ids.next(), nowMs: 1, expected };
    completeUpload(db, bucket, ref, completion, rules);
  }

  #copy(db: DatabaseSync): void {
    const { body, sizeBytes } = current(db, 'parts');
    const id = this.tables.ids.next();
    const told = { etag: 'e', modifiedMs: 1, headers: noHeaders, checksum: undefined };
    const version = { ...told, key: 'copy', id, sizeBytes, body: shareBody(db, body ?? 0) };
    putVersion(db, requireBucket(db, 'data'), version, rules);
  }
}

function current(db: DatabaseSync, key: string): Version {
  const version = findCurrent(db, requireBucket(db, 'data').no, key);
  assert.ok(version !== undefined);
  return version;
}

function partsOf(db: DatabaseSync, no: number): readonly BodyPart[] {
  const body = findBody(db, no);
  assert.ok('parts' in body);
  return body.parts;
}

/** A stretch of the tables has the bytes of a range, by what the whole body is. */
function checkStretch(db: DatabaseSync, no: number, from: number, to: number): number {
  const stretch = findStretch(db, no, { from, to });
  assert.ok('pieces' in stretch);
  const all = partsOf(db, no).flatMap(({ blobs }) => blobs);
  let at = 0;
  let start = 0;
  while (start < stretch.startBytes) start += all[at++]?.sizeBytes ?? Infinity;
  assert.equal(start, stretch.startBytes);
  assert.deepEqual(stretch.pieces, all.slice(at, at + stretch.pieces.length));
  const end = stretch.pieces.reduce((sum, { sizeBytes }) => sum + sizeBytes, start);
  assert.ok(start <= from && (end >= to || at + stretch.pieces.length === all.length));
  return stretch.pieces.filter(({ sizeBytes }) => {
    start += sizeBytes;
    return start <= from;
  }).length;
}

suite('bodies of many parts', () => {
  const bodies = new LongBodies();
  after(() => bodies[Symbol.dispose]());
  const { all } = bodies;
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  bodies.tables.check();
  bodies.restored.checkRows();

  test('a range reads fewer than 64 rows that it does not touch', () => {
    const place = fc.oneof(
      fc.nat({ max: sizeBytes }),
      fc.constantFrom(0, sizeBytes - 1, sizeBytes),
    );
    fc.assert(
      fc.property(fc.nat({ max: 3 }), place, fc.nat({ max: 30 * mebibyte }), (which, from, n) => {
        const [db, no] = all[which] ?? assert.fail();
        const skipped = checkStretch(db, no, from, Math.min(sizeBytes, from + n));
        assert.ok(skipped < 64, `${skipped} rows`);
      }),
      { numRuns: 200 },
    );
  });

  test('parts are found by their place, from the first to the last', () => {
    for (const [db, no] of all) {
      let from = 0;
      for (const [at, part] of partsOf(db, no).entries()) {
        const to = from + part.sizeBytes;
        assert.deepEqual(findPartSpan(db, no, at + 1), { from, to, checksum: part.checksum });
        from = to;
      }
      assert.equal(findPartSpan(db, no, partsOf(db, no).length + 1), undefined);
      assert.equal(findPartSpan(db, no, 10_000), undefined);
    }
  });

  test('without marks, as in older stores, the same is found', () => {
    using older = new LongBodies();
    for (const [db, no] of older.all) {
      db.exec('DELETE FROM s3_marks');
      // All but the last with bytes, and the empty one.
      assert.equal(checkStretch(db, no, sizeBytes - 1, sizeBytes), parts.length - 2);
      checkStretch(db, no, sizeBytes - 9 * mebibyte, sizeBytes - mebibyte);
      const last = partsOf(db, no).length;
      assert.equal(findPartSpan(db, no, last)?.to, sizeBytes);
    }
  });

  test('marks go with the object', () => {
    using gone = new LongBodies();
    const { tables } = gone;
    for (const key of ['parts', 'copy']) {
      const deletion = { key, versionId: undefined, markerId: tables.ids.next(), nowMs: 1 };
      tables.change((db) => deleteObject(db, requireBucket(db, 'data'), deletion, rules));
    }
    while (hasReleased(tables.db)) tables.change((db) => releaseSome(db, 1 << 30));
    tables.check();
    assert.deepEqual(tables.db.prepare('SELECT * FROM s3_marks').all(), []);
    assert.deepEqual(tables.db.prepare('SELECT * FROM s3_parts').all(), []);
  });
});
