import { randomBytes, randomInt } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';

import { GridError } from '@commongrid/base';

import type { S3PackageErrorCode } from '../errors.ts';
import { alter, rowOf, rowsOf } from '../meta/statements.ts';
import type { Row } from '../meta/statements.ts';
import { rights } from './actions.ts';
import type { Right } from './actions.ts';

/** Users of a store. */
const usersMax = 10_000;
/** Access keys of a user. */
const accessKeysMax = 20;

const nameForm = /^[\w+=,.@-]{1,64}$/;

/** The user that a store begins with. */
export const firstUser = 'admin';

/**
 * The tables of rights.
 *
 * - `s3_users`: `id` is what S3 answers as the owner of buckets. An admin may do everything.
 * - `s3_access_keys`: `sealed` is the secret, under a key that is in no table.
 * - `s3_grants`: by the number of the bucket, which no other bucket gets.
 */
export const rightsTables = `
  CREATE TABLE s3_users (
    name TEXT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    is_admin INTEGER NOT NULL,
    makes_buckets INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE s3_access_keys (
    access_key TEXT NOT NULL PRIMARY KEY,
    user TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_ms INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE s3_grants (
    bucket INTEGER NOT NULL,
    user TEXT NOT NULL,
    permission TEXT NOT NULL,
    PRIMARY KEY (bucket, user, permission)
  ) WITHOUT ROWID, STRICT;
`;

/** Who may do what. */
export interface S3User {
  readonly name: string;
  /** 64 hex digits; the owner of buckets and objects, as S3 answers it. */
  readonly id: string;
  readonly isAdmin: boolean;
  readonly makesBuckets: boolean;
}

export interface AccessKeyRow {
  readonly accessKey: string;
  readonly user: string;
  readonly sealed: Buffer;
  readonly createdMs: number;
}

export interface Grant {
  readonly bucket: string;
  readonly right: Right;
}

/** What a new user is: names of 1 to 64 letters, digits and some marks. */
export interface NewUser {
  readonly name: string;
  readonly isAdmin: boolean;
  readonly makesBuckets: boolean;
  readonly createdMs: number;
}

/** @throws S3_USER_INVALID, S3_USER_EXISTS */
export function addUser(db: DatabaseSync, user: NewUser, id: string): void {
  const { name, isAdmin, makesBuckets, createdMs } = user;
  if (!nameForm.test(name)) {
    throw failure('S3_USER_INVALID', `${name.slice(0, 80)} is no name for a user`, {
      hint: 'give 1 to 64 letters, digits or + = , . @ - _',
    });
  }
  if (findUser(db, name) !== undefined) {
    throw failure('S3_USER_EXISTS', `there is a user ${name}`, { hint: 'choose another name' });
  }
  const count = Number(rowOf(db, 'SELECT count(*) AS n FROM s3_users')?.['n']);
  if (count >= usersMax) {
    throw failure('S3_USER_INVALID', `there are ${count} users`, { hint: 'remove one' });
  }
  const named = `arn:aws:iam:::user/${name}"`;
  const sql = `SELECT 1 FROM s3_documents WHERE kind = 'policy' AND instr(document, ?) > 0 LIMIT 1`;
  if (rowOf(db, sql, named) !== undefined) {
    throw failure('S3_USER_EXISTS', `a bucket policy names a user ${name} who was removed`, {
      hint: 'choose another name, or change the policy first',
    });
  }
  const columns = [name, id, Number(isAdmin), Number(makesBuckets), createdMs];
  alter(db, 'INSERT INTO s3_users VALUES (?, ?, ?, ?, ?)', ...columns);
}

/**
 * Takes a user away, with keys and grants. Buckets stay with their owner, who must have none.
 * @throws S3_USER_UNKNOWN, S3_USER_NEEDED
 */
export function removeUser(db: DatabaseSync, name: string): void {
  const user = knownUser(db, name);
  const owned = rowOf(db, 'SELECT name FROM s3_buckets WHERE owner = ? LIMIT 1', user.id);
  if (owned !== undefined) {
    throw failure('S3_USER_NEEDED', `${name} owns the bucket ${String(owned['name'])}`, {
      hint: 'delete the buckets of a user first',
    });
  }
  if (name === firstUser) {
    throw failure('S3_USER_NEEDED', `${name} is the user that a store always has`, {
      hint: 'remove its access keys instead',
    });
  }
  alter(db, 'DELETE FROM s3_access_keys WHERE user = ?', name);
  alter(db, 'DELETE FROM s3_grants WHERE user = ?', name);
  alter(db, 'DELETE FROM s3_users WHERE name = ?', name);
}

/** @throws S3_USER_UNKNOWN, S3_USER_INVALID when the user has too many */
export function addAccessKey(db: DatabaseSync, row: AccessKeyRow): void {
  knownUser(db, row.user);
  const sql = 'SELECT count(*) AS n FROM s3_access_keys WHERE user = ?';
  if (Number(rowOf(db, sql, row.user)?.['n']) >= accessKeysMax) {
    throw failure('S3_USER_INVALID', `${row.user} has ${accessKeysMax} access keys`, {
      hint: 'remove one: grid s3 keys rm',
    });
  }
  const columns = [row.accessKey, row.user, row.sealed, row.createdMs];
  alter(db, 'INSERT INTO s3_access_keys VALUES (?, ?, ?, ?)', ...columns);
}

/** @throws S3_KEY_UNKNOWN */
export function removeAccessKey(db: DatabaseSync, accessKey: string): void {
  if (alter(db, 'DELETE FROM s3_access_keys WHERE access_key = ?', accessKey) === 1) return;
  throw failure('S3_KEY_UNKNOWN', `there is no access key ${accessKey}`, {
    hint: 'grid s3 keys ls shows those that there are',
  });
}

/** Gives a user rights on a bucket, and takes what else the user had on it. */
export function setGrants(
  db: DatabaseSync,
  user: string,
  bucket: string,
  granted: readonly Right[],
): void {
  knownUser(db, user);
  const no = rowOf(db, 'SELECT no FROM s3_buckets WHERE name = ?', bucket)?.['no'];
  if (no === undefined) bucketUnknown(bucket);
  alter(db, 'DELETE FROM s3_grants WHERE bucket = ? AND user = ?', Number(no), user);
  for (const right of new Set(granted)) {
    alter(db, 'INSERT INTO s3_grants VALUES (?, ?, ?)', Number(no), user, right);
  }
}

/** For whoever deletes a bucket, in the same change. */
export function dropGrants(db: DatabaseSync, bucketNo: number): void {
  alter(db, 'DELETE FROM s3_grants WHERE bucket = ?', bucketNo);
}

/** What a user may do in a bucket that is not his own. */
export function grantsOf(db: DatabaseSync, user: string, bucketNo: number): ReadonlySet<Right> {
  const sql = 'SELECT permission FROM s3_grants WHERE bucket = ? AND user = ?';
  return new Set(rowsOf(db, sql, bucketNo, user).map((row) => rightOf(row)));
}

/** All grants of a user, by bucket. */
export function listGrants(db: DatabaseSync, user: string): readonly Grant[] {
  const sql = `SELECT name, permission FROM s3_grants AS g JOIN s3_buckets AS b ON b.no = g.bucket
    WHERE g.user = ? ORDER BY name, permission`;
  return rowsOf(db, sql, user).map((row) => ({ bucket: String(row['name']), right: rightOf(row) }));
}

export function findUser(db: DatabaseSync, name: string): S3User | undefined {
  const row = rowOf(db, 'SELECT * FROM s3_users WHERE name = ?', name);
  return row && userOf(row);
}

/** Of the owner of a bucket. */
export function findUserById(db: DatabaseSync, id: string): S3User | undefined {
  const row = rowOf(db, 'SELECT * FROM s3_users WHERE id = ?', id);
  return row && userOf(row);
}

export function findUserOfKey(db: DatabaseSync, accessKey: string): S3User | undefined {
  const sql = `SELECT u.* FROM s3_access_keys AS k JOIN s3_users AS u ON u.name = k.user
    WHERE k.access_key = ?`;
  const row = rowOf(db, sql, accessKey);
  return row && userOf(row);
}

export function findAccessKey(db: DatabaseSync, accessKey: string): AccessKeyRow | undefined {
  const row = rowOf(db, 'SELECT * FROM s3_access_keys WHERE access_key = ?', accessKey);
  return row && accessKeyOf(row);
}

/** Users in the order of their names, those behind `after`. */
export function listUsers(
  db: DatabaseSync,
  { after, max }: { readonly after: string; readonly max: number },
): readonly S3User[] {
  const sql = 'SELECT * FROM s3_users WHERE name > ? ORDER BY name LIMIT ?';
  return rowsOf(db, sql, after, max).map(userOf);
}

/** The oldest first. */
export function listAccessKeys(db: DatabaseSync, user: string): readonly AccessKeyRow[] {
  const sql = 'SELECT * FROM s3_access_keys WHERE user = ? ORDER BY created_ms, access_key';
  return rowsOf(db, sql, user).map(accessKeyOf);
}

/** @throws S3_USER_UNKNOWN */
export function knownUser(db: DatabaseSync, name: string): S3User {
  const user = findUser(db, name);
  if (user !== undefined) return user;
  throw failure('S3_USER_UNKNOWN', `there is no user ${name.slice(0, 80)}`, {
    hint: 'grid s3 keys ls shows those that there are',
  });
}

export function bucketUnknown(name: string): never {
  throw failure('S3_BUCKET_UNKNOWN', `there is no bucket ${name.slice(0, 80)}`, {
    hint: 'grid s3 buckets shows those that there are',
  });
}

/** A user that is there keeps what he is: no key makes him more. @throws S3_USER_EXISTS */
export function checkSameUser(db: DatabaseSync, { name, isAdmin, makesBuckets }: NewUser): void {
  const user = knownUser(db, name);
  if ((!isAdmin || user.isAdmin) && (!makesBuckets || user.makesBuckets)) return;
  throw failure('S3_USER_EXISTS', `${name} is there already, and may do less`, {
    hint: 'add another user, or leave these flags out',
  });
}

/** The id of a user that is new. */
export function newUserId(): string {
  return randomBytes(32).toString('hex');
}

const accessKeyLetters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** An access key and its secret: 20 capitals and digits, and 40 letters and digits. */
export function newAccessKey(): { readonly accessKey: string; readonly secretKey: string } {
  const letters = Array.from({ length: 16 }, () => accessKeyLetters[randomInt(32)]);
  let secretKey = '';
  // Slashes, pluses and dashes are what tools stumble over.
  while (secretKey.length < 40) {
    secretKey += randomBytes(40).toString('base64').replace(/[+/=]/g, '');
  }
  return { accessKey: `GRID${letters.join('')}`, secretKey: secretKey.slice(0, 40) };
}

function userOf(row: Row): S3User {
  return {
    name: String(row['name']),
    id: String(row['id']),
    isAdmin: row['is_admin'] === 1,
    makesBuckets: row['makes_buckets'] === 1,
  };
}

function accessKeyOf(row: Row): AccessKeyRow {
  const sealed = row['sealed'];
  return {
    accessKey: String(row['access_key']),
    user: String(row['user']),
    sealed: sealed instanceof Uint8Array ? Buffer.from(sealed) : Buffer.alloc(0),
    createdMs: Number(row['created_ms']),
  };
}

function rightOf(row: Row): Right {
  const right = rights.find((known) => known === row['permission']);
  if (right === undefined) throw new TypeError('a grant of no known right');
  return right;
}

function failure(
  code: S3PackageErrorCode,
  message: string,
  { hint }: { readonly hint: string },
): GridError<S3PackageErrorCode> {
  return new GridError(code, message, { hint });
}
