import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';

import { blobTables } from '@commongrid/zstor';

import { createBucket, requireBucket, setDocument, setVersioning } from '../meta/buckets.ts';
import type { BucketRef } from '../meta/buckets.ts';
import { deleteObject } from '../meta/delete-object.ts';
import { putVersion } from '../meta/put-version.ts';
import { metaTables } from '../meta/s3-tables.ts';
import { createUpload } from '../meta/uploads.ts';
import { LifecycleRunner } from './lifecycle-runner.ts';
import { findPass, lifecycleTables } from './lifecycle-tables.ts';

const dayMs = 86_400_000;
const startMs = Date.UTC(2026, 0, 1);

/** A bucket whose dates a test chooses. */
class Fixture {
  readonly db = new DatabaseSync(':memory:');
  readonly bucket: BucketRef;
  readonly runner: LifecycleRunner;
  nowMs: number | undefined = startMs;
  isOff = false;
  /** Changes that are let through; then each fails. */
  writesLeft = Number.POSITIVE_INFINITY;

  constructor() {
    this.db.exec([...new Set([blobTables, metaTables])].join(''));
    const known = this.db
      .prepare(`SELECT name FROM sqlite_master WHERE name = 's3_lifecycle'`)
      .get();
    if (known === undefined) this.db.exec(lifecycleTables);
    const bucket = { name: 'data', owner: 'x', createdMs: 0, keyNo: 1, isLockable: true };
    this.bucket = createBucket(this.db, bucket);
    this.runner = this.newRunner();
  }

  newRunner(): LifecycleRunner {
    const { db } = this;
    const write = async <T>(change: (db: DatabaseSync) => T): Promise<T> => {
      this.writesLeft -= 1;
      if (this.writesLeft < 0) throw new Error('the head is gone');
      return change(db);
    };
    // Pauses take no time.
    const clock = {
      nowMs: () => this.nowMs ?? 0,
      monotonicMs: () => 0,
      setTimer: (_ms: number, fn: () => void) => {
        const timer = setImmediate(fn);
        return { cancel: () => clearImmediate(timer) };
      },
    };
    return new LifecycleRunner({
      catalog: { isServing: true, read: (query) => query(db), write },
      datesMs: () => this.nowMs,
      isOff: () => this.isOff,
      nextId: () => randomBytes(16),
      clock,
    });
  }

  setRules(...rules: readonly string[]): void {
    const each = rules.map((rule) => `<Rule><Status>Enabled</Status>${rule}</Rule>`);
    const document = `<LifecycleConfiguration>${each.join('')}</LifecycleConfiguration>`;
    setDocument(this.db, this.bucket, 'lifecycle', document);
  }

  put(key: string, lockedUntilMs?: number): void {
    const lock =
      lockedUntilMs === undefined
        ? undefined
        : ({ mode: 'COMPLIANCE', retainUntilMs: lockedUntilMs } as const);
    const nowMs = this.nowMs ?? 0;
    putVersion(
      this.db,
      this.bucket,
      {
        ...{ key, id: randomBytes(16), sizeBytes: 3, etag: 'e', modifiedMs: nowMs },
        headers: { system: {}, user: {}, tags: [], lock, legalHold: undefined },
        checksum: undefined,
        body: { inline: Buffer.from('abc') },
      },
      { conditions: {}, datesMs: nowMs },
    );
  }

  delete(key: string): void {
    const nowMs = this.nowMs ?? 0;
    const deletion = { key, versionId: undefined, markerId: randomBytes(16), nowMs };
    deleteObject(this.db, this.bucket, deletion, { conditions: {}, datesMs: nowMs });
  }

  /** Versions by key, the newest first; `-` for a marker. */
  get versions(): Readonly<Record<string, string>> {
    const found: Record<string, string> = {};
    const rows = this.db.prepare('SELECT * FROM s3_versions ORDER BY key, sequence DESC').all();
    for (const row of rows) {
      const { key } = row;
      assert.ok(key instanceof Uint8Array);
      const name = Buffer.from(key).toString();
      found[name] = (found[name] ?? '') + (row['is_marker'] === 1 ? '-' : 'v');
    }
    return found;
  }

  async pass(days: number, runner = this.runner): Promise<void> {
    this.nowMs = startMs + days * dayMs;
    await runner.look(new AbortController().signal);
  }
}

const expiring = '<Filter><Prefix>a/</Prefix></Filter><Expiration><Days>1</Days></Expiration>';
const aging = `<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>
  <NewerNoncurrentVersions>1</NewerNoncurrentVersions></NoncurrentVersionExpiration>`;
const clearing =
  '<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>';

describe('lifecycle', () => {
  test('expires, removes, and clears markers, each in its time', async () => {
    const fixture = new Fixture();
    fixture.setRules(expiring, aging, clearing);
    for (const key of ['a/1', 'b/1']) fixture.put(key);
    fixture.put('a/1');
    await fixture.pass(0);
    assert.deepEqual(fixture.versions, { 'a/1': 'vv', 'b/1': 'v' });
    await fixture.pass(1);
    assert.deepEqual(fixture.versions, { 'a/1': '-vv', 'b/1': 'v' });
    await fixture.pass(2);
    // The older of two noncurrent versions goes; one newer noncurrent version is kept.
    assert.deepEqual(fixture.versions, { 'a/1': '-v', 'b/1': 'v' });
    fixture.setRules(clearing, aging.replace(/<Newer.*Versions>/, ''));
    await fixture.pass(2);
    assert.deepEqual(fixture.versions, { 'a/1': '-', 'b/1': 'v' });
    await fixture.pass(3);
    assert.deepEqual(fixture.versions, { 'b/1': 'v' });
    assert.deepEqual(fixture.runner.counts, { expired: 1, removed: 3, aborted: 0, locked: 0 });
    const { objects, bytes } = requireBucket(fixture.db, 'data');
    assert.deepEqual({ objects, bytes }, { objects: 1, bytes: 3 });
  });

  test('removes nothing that is locked, until the lock has ended', async () => {
    const fixture = new Fixture();
    fixture.setRules(aging.replace(/<Newer.*Versions>/, ''));
    fixture.put('k', startMs + 10 * dayMs);
    fixture.put('k');
    await fixture.pass(5);
    assert.deepEqual(fixture.versions, { k: 'vv' });
    assert.equal(fixture.runner.counts.locked, 1);
    await fixture.pass(10);
    assert.deepEqual(fixture.versions, { k: 'v' });
  });

  test('does nothing while dates are not sure, or the tables were rebuilt', async () => {
    const fixture = new Fixture();
    fixture.setRules(expiring);
    fixture.put('a/1');
    fixture.isOff = true;
    await fixture.pass(9);
    fixture.isOff = false;
    fixture.nowMs = undefined;
    await fixture.runner.look(new AbortController().signal);
    assert.deepEqual(fixture.versions, { 'a/1': 'v' });
    await fixture.pass(9);
    assert.deepEqual(fixture.versions, { 'a/1': '-v' });
  });

  test('goes through a bucket once a day, and when its rules change', async () => {
    const fixture = new Fixture();
    fixture.setRules('<Expiration><Days>100</Days></Expiration>');
    fixture.put('a/1');
    await fixture.pass(3);
    const writes = fixture.writesLeft;
    fixture.writesLeft = 1000;
    await fixture.pass(3.5);
    assert.equal(fixture.writesLeft, 999);
    fixture.writesLeft = writes;
    fixture.setRules(expiring);
    await fixture.pass(3.5);
    assert.deepEqual(fixture.versions, { 'a/1': '-v' });
    setDocument(fixture.db, fixture.bucket, 'lifecycle', undefined);
    await fixture.pass(4);
    assert.equal(findPass(fixture.db, fixture.bucket.no), undefined);
  });

  test('goes on where it was when the head ended', async () => {
    const fixture = new Fixture();
    fixture.setRules(expiring);
    setVersioning(fixture.db, fixture.bucket, 'enabled');
    const keys = Array.from({ length: 700 }, (_, at) => `a/${String(at).padStart(4, '0')}`);
    for (const key of keys) fixture.put(key);
    fixture.writesLeft = 3;
    await assert.rejects(fixture.pass(2), /the head is gone/);
    const expired = (): number =>
      Object.values(fixture.versions).filter((of) => of === '-v').length;
    assert.ok(expired() > 0 && expired() < 700, String(expired()));
    fixture.writesLeft = Number.POSITIVE_INFINITY;
    await fixture.pass(2, fixture.newRunner());
    assert.equal(expired(), 700);
  });

  test('of a bucket with rules that it cannot read does not keep the others waiting', async () => {
    const fixture = new Fixture();
    fixture.setRules(expiring);
    fixture.put('a/1');
    const bucket = { name: 'before', owner: 'x', createdMs: 0, keyNo: 2, isLockable: false };
    setDocument(fixture.db, createBucket(fixture.db, bucket), 'lifecycle', '<LifecycleOfOthers/>');
    await assert.rejects(fixture.pass(2), { s3Code: 'MalformedXML' });
    assert.deepEqual(fixture.versions, { 'a/1': '-v' });
  });

  test('counts the noncurrent versions of a key across its steps', async () => {
    const fixture = new Fixture();
    const keep = '<NewerNoncurrentVersions>100</NewerNoncurrentVersions>';
    fixture.setRules(aging.replace(/<Newer.*Versions>/, keep));
    for (let at = 0; at < 450; at += 1) fixture.put('k');
    await fixture.pass(3);
    assert.deepEqual(fixture.versions, { k: 'v'.repeat(101) });
  });

  test('aborts uploads, those of its prefix alone', async () => {
    const fixture = new Fixture();
    fixture.setRules(`<Filter><Prefix>a/</Prefix></Filter><AbortIncompleteMultipartUpload>
      <DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>`);
    const headers = { system: {}, user: {}, tags: [], lock: undefined, legalHold: undefined };
    for (const key of ['a/1', 'b/1']) {
      const upload = { key, id: randomBytes(16), owner: 'x', startedMs: startMs, headers };
      const rules = { datesMs: startMs };
      createUpload(fixture.db, fixture.bucket, { ...upload, checksum: undefined }, rules);
    }
    await fixture.pass(2);
    const left = fixture.db.prepare('SELECT count(*) AS n FROM s3_uploads').get();
    assert.equal(left?.['n'], 1);
    assert.equal(fixture.runner.counts.aborted, 1);
  });
});
