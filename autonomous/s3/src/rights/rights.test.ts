import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';

import { isGridError } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';

import { metaTables } from '../meta/s3-tables.ts';
import { operations } from '../protocol/operations.ts';
import type { Operation } from '../protocol/operations.ts';
import { Query } from '../protocol/query.ts';
import { S3Error } from '../protocol/s3-error.ts';
import { judgedApart, needsOf } from './needs.ts';
import { checkBucketPolicy, Rights } from './rights.ts';
import type { Asked } from './rights.ts';
import * as tables from './rights-tables.ts';
import { rightsTables } from './rights-tables.ts';

/** Two users and a bucket `data` of the first one. */
class Fixture {
  readonly db = new DatabaseSync(':memory:');
  readonly rights: Rights;
  readonly keys = new Map<string, string>();

  private constructor() {
    this.db.exec(metaTables.includes('s3_users') ? metaTables : metaTables + rightsTables);
    const { db } = this;
    const catalog = {
      read: <T>(query: (db: DatabaseSync) => T): T => query(db),
      write: async <T>(change: (db: DatabaseSync) => T): Promise<T> => change(db),
    };
    this.rights = new Rights({ catalog, key: Buffer.alloc(32, 7), clock: new ManualClock() });
  }

  static async open(): Promise<Fixture> {
    const fixture = new Fixture();
    const { db, rights, keys } = fixture;
    await rights.begin();
    for (const name of ['alice', 'bob']) {
      const user = { name, isAdmin: false, makesBuckets: name === 'alice', createdMs: 1 };
      tables.addUser(db, user, tables.newUserId());
      keys.set(name, (await rights.addKey(name)).accessKey);
    }
    keys.set('admin', tables.listAccessKeys(db, 'admin')[0]?.accessKey ?? '');
    fixture.addBucket('data', 'alice');
    return fixture;
  }

  addBucket(name: string, owner: string): void {
    const no = Number(this.db.prepare('SELECT count(*) AS n FROM s3_buckets').get()?.['n']) + 1;
    this.db
      .prepare(
        `INSERT INTO s3_buckets (name, no, owner, created_ms, key_no, versioning, is_lockable,
          lock_mode, objects, bytes, upload_bytes) VALUES (?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0)`,
      )
      .run(name, no, tables.knownUser(this.db, owner).id);
  }

  setPolicy(document: object): void {
    const text = JSON.stringify(document);
    checkBucketPolicy(this.db, Buffer.from(text), 'data');
    this.db.prepare(`INSERT OR REPLACE INTO s3_documents VALUES (1, 'policy', ?)`).run(text);
  }

  /** What the request is answered with; `ok` when it is allowed. */
  ask(
    user: string | undefined,
    operation: Operation,
    more: Partial<Asked> & { search?: string } = {},
  ): string {
    const { search = '', ...rest } = more;
    try {
      this.rights.judge({
        operation,
        bucket: 'data',
        key: operations[operation].resource === 'object' ? 'key' : undefined,
        query: Query.parse(search),
        headers: {},
        accessKey: user && this.keys.get(user),
        remoteAddress: '127.0.0.1',
        isSecure: false,
        ...rest,
      });
      return 'ok';
    } catch (error) {
      assert.ok(error instanceof S3Error, String(error));
      return error.s3Code;
    }
  }
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isGridError(error)) return error.code;
    throw error;
  }
  return 'ok';
}

describe('rights', () => {
  test('are of the owner, of admins, and of whom they are granted to', async () => {
    const fixture = await Fixture.open();
    const { db } = fixture;
    for (const operation of [
      'PutObject',
      'GetObject',
      'DeleteBucket',
      'PutBucketPolicy',
    ] as const) {
      assert.equal(fixture.ask('alice', operation), 'ok');
      assert.equal(fixture.ask('admin', operation), 'ok');
      assert.equal(fixture.ask('bob', operation), 'AccessDenied');
      assert.equal(fixture.ask(undefined, operation), 'AccessDenied');
    }
    tables.setGrants(db, 'bob', 'data', ['read']);
    assert.equal(fixture.ask('bob', 'GetObject'), 'ok');
    assert.equal(fixture.ask('bob', 'ListObjectsV2'), 'ok');
    assert.equal(fixture.ask('bob', 'PutObject'), 'AccessDenied');
    tables.setGrants(db, 'bob', 'data', ['write']);
    assert.equal(fixture.ask('bob', 'GetObject'), 'AccessDenied');
    assert.equal(fixture.ask('bob', 'PutObject'), 'ok');
    assert.equal(fixture.ask('bob', 'GetBucketLocation'), 'ok');
    assert.equal(fixture.ask('bob', 'PutBucketPolicy'), 'AccessDenied');
    tables.setGrants(db, 'bob', 'data', ['admin']);
    assert.equal(fixture.ask('bob', 'PutBucketPolicy'), 'ok');
    tables.setGrants(db, 'bob', 'data', []);
    assert.equal(fixture.ask('bob', 'GetBucketLocation'), 'AccessDenied');
  });

  test('do not pass to a bucket of the same name', async () => {
    const fixture = await Fixture.open();
    tables.setGrants(fixture.db, 'bob', 'data', ['read']);
    fixture.db
      .exec(`DELETE FROM s3_buckets; INSERT INTO s3_buckets (name, no, owner, created_ms, key_no,
      versioning, is_lockable, lock_mode, objects, bytes, upload_bytes)
      VALUES ('data', 9, 'x', 0, 0, 0, 0, 0, 0, 0, 0)`);
    assert.equal(fixture.ask('bob', 'GetObject'), 'AccessDenied');
  });

  test('ask for more where a request does more', async () => {
    const fixture = await Fixture.open();
    tables.setGrants(fixture.db, 'bob', 'data', ['write']);
    const header = (name: string): string =>
      fixture.ask('bob', 'PutObject', { headers: { [name]: 'x' } });
    assert.equal(header('x-amz-tagging'), 'ok');
    assert.equal(header('x-amz-object-lock-mode'), 'ok');
    assert.equal(header('x-amz-object-lock-legal-hold'), 'AccessDenied');
    const copy = (source: string): string =>
      fixture.ask('bob', 'CopyObject', { headers: { 'x-amz-copy-source': source } });
    assert.equal(copy('data/key'), 'AccessDenied');
    assert.equal(copy('nothing/key'), 'NoSuchBucket');
    tables.setGrants(fixture.db, 'bob', 'data', ['read', 'write']);
    assert.equal(copy('data/key'), 'ok');
    assert.equal(copy('data/key?versionId=1'), 'ok');
    assert.equal(copy('%00'), 'InvalidArgument');
  });

  test('of a permit are asked for key by key', async () => {
    const fixture = await Fixture.open();
    tables.setGrants(fixture.db, 'bob', 'data', ['write']);
    fixture.setPolicy({
      Statement: {
        ...{ Effect: 'Deny', Principal: '*', Action: 's3:DeleteObject' },
        Resource: 'arn:aws:s3:::data/keep/*',
      },
    });
    const permit = fixture.rights.judge({
      ...{ operation: 'DeleteObjects', bucket: 'data', key: undefined, query: Query.parse('') },
      ...{ headers: {}, accessKey: fixture.keys.get('bob'), remoteAddress: '', isSecure: false },
    });
    assert.ok(permit.allows('s3:DeleteObject', 'key'));
    assert.ok(!permit.allows('s3:DeleteObject', 'keep/key'));
    assert.ok(!permit.allows('s3:BypassGovernanceRetention', 'key'));
  });

  test('of a policy go ahead of all but the right to change it', async () => {
    const fixture = await Fixture.open();
    const everything = { Action: 's3:*', Resource: ['arn:aws:s3:::data', 'arn:aws:s3:::data/*'] };
    fixture.setPolicy({ Statement: { Effect: 'Deny', Principal: '*', ...everything } });
    for (const user of ['alice', 'admin', 'bob', undefined]) {
      assert.equal(fixture.ask(user, 'GetObject'), 'AccessDenied');
    }
    assert.equal(fixture.ask('alice', 'DeleteBucketPolicy'), 'ok');
    assert.equal(fixture.ask('bob', 'DeleteBucketPolicy'), 'AccessDenied');
    fixture.setPolicy({
      Statement: {
        ...{ Effect: 'Allow', Principal: '*', Action: 's3:GetObject' },
        Resource: 'arn:aws:s3:::data/public/*',
      },
    });
    assert.equal(fixture.ask(undefined, 'GetObject', { key: 'public/x' }), 'ok');
    assert.equal(fixture.ask(undefined, 'GetObject'), 'AccessDenied');
    assert.equal(fixture.ask('bob', 'HeadObject', { key: 'public/x' }), 'ok');
  });

  test('deny everything when the policy cannot be read', async () => {
    const fixture = await Fixture.open();
    fixture.db.exec(`INSERT INTO s3_documents VALUES (1, 'policy', '{"Statement":7}')`);
    assert.equal(fixture.ask('alice', 'GetObject'), 'AccessDenied');
    assert.equal(fixture.ask('alice', 'PutBucketPolicy'), 'ok');
  });

  test('to begin with: an admin, once, whose secret is in no table', async () => {
    const { db, rights, keys } = await Fixture.open();
    await rights.begin();
    assert.equal(tables.listAccessKeys(db, 'admin').length, 1);
    const accessKey = keys.get('admin') ?? '';
    const secret = rights.secretOf(accessKey) ?? '';
    assert.match(secret, /^[A-Za-z0-9]{40}$/);
    const sealed = tables.findAccessKey(db, accessKey)?.sealed;
    assert.ok(sealed !== undefined && !sealed.includes(secret));
    assert.equal(rights.secretOf('GRIDNOBODY'), undefined);
    tables.removeAccessKey(db, accessKey);
    assert.equal(rights.secretOf(accessKey), undefined);
  });

  test('end with the key of a user', async () => {
    const fixture = await Fixture.open();
    tables.removeAccessKey(fixture.db, fixture.keys.get('alice') ?? '');
    assert.equal(fixture.ask('alice', 'GetObject'), 'AccessDenied');
  });

  test('to make buckets and to list them are of users', async () => {
    const fixture = await Fixture.open();
    assert.equal(fixture.ask('alice', 'CreateBucket', { bucket: 'new' }), 'ok');
    assert.equal(fixture.ask('bob', 'CreateBucket', { bucket: 'new' }), 'AccessDenied');
    assert.equal(fixture.ask(undefined, 'CreateBucket', { bucket: 'new' }), 'AccessDenied');
    assert.equal(fixture.ask('bob', 'ListBuckets', { bucket: undefined }), 'ok');
    assert.equal(fixture.ask(undefined, 'ListBuckets', { bucket: undefined }), 'AccessDenied');
    assert.equal(fixture.ask('bob', 'GetStoreStatus', { bucket: undefined }), 'AccessDenied');
    assert.equal(fixture.ask('bob', 'GetObject', { bucket: 'nothing' }), 'NoSuchBucket');
  });

  test('are known for every operation', () => {
    for (const operation of Object.keys(operations) as Operation[]) {
      const isObject = operations[operation].resource === 'object';
      const asked = {
        ...{ operation, bucket: 'data', key: isObject ? 'key' : undefined },
        ...{ query: Query.parse(''), headers: { 'x-amz-copy-source': 'data/key' } },
      };
      assert.equal(needsOf(asked).length > 0, !judgedApart.has(operation), operation);
    }
  });
});

describe('users', () => {
  test('are refused with names that cannot be, or are taken', async () => {
    const { db } = await Fixture.open();
    const add = (name: string): string =>
      codeOf(() =>
        tables.addUser(db, { name, isAdmin: false, makesBuckets: true, createdMs: 0 }, name),
      );
    assert.equal(add('alice'), 'S3_USER_EXISTS');
    assert.equal(add('a/b'), 'S3_USER_INVALID');
    assert.equal(add(''), 'S3_USER_INVALID');
    assert.equal(add('carol'), 'ok');
  });

  test('are not made anew while a policy names the one who was removed', async () => {
    const fixture = await Fixture.open();
    const { db } = fixture;
    const Principal = { AWS: ['arn:aws:iam:::user/bob'] };
    const statement = { Effect: 'Allow', Principal, Action: 's3:GetObject' };
    fixture.setPolicy({ Statement: { ...statement, Resource: 'arn:aws:s3:::data/*' } });
    assert.equal(fixture.ask('bob', 'GetObject'), 'ok');
    tables.removeUser(db, 'bob');
    const bob = { name: 'bob', isAdmin: false, makesBuckets: true, createdMs: 0 };
    assert.equal(
      codeOf(() => tables.addUser(db, bob, 'id')),
      'S3_USER_EXISTS',
    );
    const other = { ...statement, Resource: 'arn:aws:s3:::data/*' };
    assert.throws(() => fixture.setPolicy({ Statement: other }), /no user bob/);
  });

  test('stay while they own buckets', async () => {
    const { db } = await Fixture.open();
    assert.equal(
      codeOf(() => tables.removeUser(db, 'alice')),
      'S3_USER_NEEDED',
    );
    assert.equal(
      codeOf(() => tables.removeUser(db, 'admin')),
      'S3_USER_NEEDED',
    );
    assert.equal(
      codeOf(() => tables.removeUser(db, 'nobody')),
      'S3_USER_UNKNOWN',
    );
    assert.equal(
      codeOf(() => tables.removeUser(db, 'bob')),
      'ok',
    );
  });

  test('are ten thousand at most, with twenty access keys each', async () => {
    const { db, rights } = await Fixture.open();
    for (let n = 1; n < 20; n++) await rights.addKey('alice');
    await assert.rejects(rights.addKey('alice'), { code: 'S3_USER_INVALID' });
    const add = (name: string): string => {
      const user = { name, isAdmin: false, makesBuckets: false, createdMs: 0 };
      return codeOf(() => tables.addUser(db, user, tables.newUserId()));
    };
    const count = Number(db.prepare('SELECT count(*) AS n FROM s3_users').get()?.['n']);
    const rest = `WITH RECURSIVE more(n) AS (SELECT ${count} UNION ALL SELECT n + 1 FROM more
      WHERE n < 9998) INSERT INTO s3_users SELECT 'u' || n, 'id' || n, 0, 0, 0 FROM more`;
    db.exec(rest);
    assert.equal(add('last'), 'ok');
    assert.equal(add('more'), 'S3_USER_INVALID');
    tables.removeUser(db, 'last');
    assert.equal(add('more'), 'ok');
  });
});
