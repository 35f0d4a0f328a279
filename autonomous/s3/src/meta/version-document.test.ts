import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { findManifestBlob, insertBlob } from '@commongrid/zstor';
import type { Manifest, ManifestBlob } from '@commongrid/zstor';
import fc from 'fast-check';

import { MetaTables, noHeaders } from '../testing/meta-tables.ts';
import type { NewBody } from './bodies.ts';
import { createBucket, findBucket, setVersioning } from './buckets.ts';
import type { BucketRef } from './buckets.ts';
import { deleteObject } from './delete-object.ts';
import { putVersion } from './put-version.ts';
import { documentOfNew, findManifest, restoreVersion } from './version-document.ts';
import { findVersion } from './versions.ts';

const rules = { conditions: {}, datesMs: 1 };
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      ...{ kind: fc.constant('put' as const), key: fc.constantFrom('a', 'b') },
      sizeBytes: fc.constantFrom(0, 3, 9000),
    }),
  },
  fc.record({ kind: fc.constant('delete' as const), key: fc.constantFrom('a', 'b') }),
  fc.record({ kind: fc.constant('delete-oldest' as const) }),
  fc.record({
    kind: fc.constant('versioning' as const),
    to: fc.constantFrom('enabled' as const, 'suspended' as const),
  }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A bucket whose versions have manifests; those of versions that are gone are gone. */
class Documented {
  readonly tables = new MetaTables();
  readonly manifests = new Map<string, Manifest>();
  readonly ref: BucketRef;

  constructor(name: string) {
    const bucket = { name, owner: 'me', createdMs: 1, keyNo: 7, isLockable: false };
    this.ref = this.tables.change((db) => createBucket(db, bucket));
  }

  run(each: Step): void {
    const { tables, ref } = this;
    const { db } = tables;
    if (each.kind === 'put') this.#put(each.key, each.sizeBytes);
    else if (each.kind === 'versioning') setVersioning(db, ref, each.to);
    else {
      const oldest = db
        .prepare('SELECT key, hex(id) AS id, is_null FROM s3_versions LIMIT 1')
        .get();
      const isOldest = each.kind === 'delete-oldest';
      if (isOldest && oldest === undefined) return;
      const id = oldest?.['is_null'] === 1 ? 'null' : String(oldest?.['id']).toLowerCase();
      const key = isOldest ? Buffer.from(oldest?.['key'] as Uint8Array).toString() : each.key;
      const versionId = isOldest ? id : undefined;
      deleteObject(db, ref, { key, versionId, markerId: tables.ids.next(), nowMs: 1 }, rules);
    }
    for (const { id } of db.prepare('SELECT lower(hex(version)) AS id FROM dead_manifests').all()) {
      this.manifests.delete(String(id));
    }
  }

  #put(key: string, sizeBytes: number): void {
    const { tables, ref } = this;
    const { db } = tables;
    const id = tables.ids.next();
    const body: NewBody =
      sizeBytes < 5
        ? { inline: Buffer.alloc(sizeBytes, 1) }
        : { blobs: [tables.newBlob(db, sizeBytes), tables.newBlob(db, 1)] };
    const bucket = findBucket(db, ref.name);
    assert.ok(bucket !== undefined);
    const facts = { key, sizeBytes, etag: id.toString('hex'), modifiedMs: 5, checksum: undefined };
    const blobs =
      'blobs' in body ? body.blobs.flatMap(({ id: of }) => of && findManifestBlob(db, of)) : [];
    const version = { ...facts, id, headers: noHeaders, body };
    const document = documentOfNew(bucket, version, rules);
    const kept = blobs.filter((blob) => blob !== undefined);
    const manifest = { versionId: id, document, blobs: kept };
    this.manifests.set(id.toString('hex'), manifest);
    putVersion(db, ref, version, rules);
    // Out of the tables it comes as it was.
    assert.deepEqual(findManifest(db, id), manifest);
  }

  /** Objects, the newest first, with all that can be told of them. */
  objects(of: MetaTables = this.tables): unknown[] {
    const sql = `SELECT key, hex(id) AS id, is_null, size_bytes, etag, modified_ms, headers,
      (SELECT group_concat(hex(blob)) FROM s3_parts AS p WHERE p.body = v.body) AS blobs,
      (SELECT hex(sealed) FROM s3_inline AS i WHERE i.body = v.body) AS sealed
      FROM s3_versions AS v WHERE is_marker = 0 ORDER BY bucket, key, sequence DESC`;
    return of.db.prepare(sql).all();
  }
}

function insertManifestBlob(db: MetaTables['db'], { chunks, ...blob }: ManifestBlob): void {
  const listed = chunks.map(({ plaintextBytes, record }) => ({ id: record.id, plaintextBytes }));
  insertBlob(
    db,
    { ...blob, chunks: listed },
    chunks.map(({ record }) => record),
  );
}

suite('documents of versions', () => {
  test('of older stores have small bodies in base64', () => {
    const documented = new Documented('one');
    using _tables = documented.tables;
    using rebuilt = new MetaTables();
    documented.run({ kind: 'put', key: 'a', sizeBytes: 3 });
    const [manifest] = documented.manifests.values();
    assert.ok(manifest !== undefined);
    const text = Buffer.from(manifest.document).toString('latin1').split('\0')[0] ?? '';
    const inline = Buffer.alloc(3, 1).toString('base64');
    const document = Buffer.from(JSON.stringify({ ...JSON.parse(text), inline }));
    assert.ok(restoreVersion(rebuilt.db, { ...manifest, document }, insertManifestBlob));
    assert.deepEqual(documented.objects(rebuilt), documented.objects());
  });

  test('make tables again that lack everything, or what came after a snapshot', () => {
    const order = fc.array(fc.nat(), { minLength: 20, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), fc.nat(), order, (steps, cut, shuffle) => {
        const documented = new Documented('one');
        using _tables = documented.tables;
        using rebuilt = new MetaTables();
        const at = cut % (steps.length + 1);
        for (const each of steps.slice(0, at)) documented.run(each);
        const snapshot = documented.tables.db.serialize();
        for (const each of steps.slice(at)) documented.run(each);
        if (cut % 2 === 0) rebuilt.db.deserialize(snapshot);
        const manifests = [...documented.manifests.values()]
          .map((manifest, index) => ({ manifest, place: shuffle[index] ?? 0 }))
          .toSorted((a, b) => a.place - b.place);
        for (const { manifest } of manifests) {
          restoreVersion(rebuilt.db, manifest, insertManifestBlob);
          assert.equal(restoreVersion(rebuilt.db, manifest, insertManifestBlob), false);
        }
        const found = documented.objects(rebuilt).map((object) => JSON.stringify(object));
        const there = documented.objects().map((object) => JSON.stringify(object));
        // What was deleted may be back; nothing is missing, and nothing in another order.
        assert.deepEqual(
          found.filter((object) => there.includes(object)),
          there,
        );
        if (cut % 2 === 1) assert.deepEqual(found, there);
        rebuilt.checkRows();
      }),
      { numRuns: 60 },
    );
  });

  test('give a bucket another name when its own is taken', () => {
    const [one, two] = [new Documented('one'), new Documented('one')];
    using _one = one.tables;
    using _two = two.tables;
    two.tables.change((db) => createBucket(db, { ...newBucket, name: 'before' }));
    const other = two.tables.change((db) => createBucket(db, { ...newBucket, name: 'taken' }));
    one.tables.db.exec("UPDATE s3_buckets SET name = 'taken', no = 40");
    const ref = { name: 'taken', no: 40 };
    Object.assign(one, { ref });
    one.run({ kind: 'put', key: 'a', sizeBytes: 3 });
    for (const manifest of one.manifests.values()) {
      restoreVersion(two.tables.db, manifest, insertManifestBlob);
    }
    assert.equal(findBucket(two.tables.db, 'taken')?.no, other.no);
    assert.equal(findBucket(two.tables.db, 'taken-40')?.objects, 1);
    assert.equal(findVersion(two.tables.db, 40, 'a', undefined)?.sizeBytes, 3);
    const next = createBucket(two.tables.db, { ...newBucket, name: 'next' });
    assert.ok(next.no > 40);
  });
});

const newBucket = { owner: 'me', createdMs: 1, keyNo: 7, isLockable: false };
