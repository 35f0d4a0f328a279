import type { DatabaseSync } from 'node:sqlite';

import { bytesOf } from '@commongrid/zstor';

import { alter, rowOf } from '../meta/statements.ts';

/**
 * How far the lifecycle of a bucket is: keys up to `key` were looked at in the pass of `day`, with
 * the rules of `rules`; NULL when all were.
 */
export const lifecycleTables = `
  CREATE TABLE s3_lifecycle (
    bucket INTEGER PRIMARY KEY,
    day INTEGER NOT NULL,
    rules TEXT NOT NULL,
    key BLOB
  ) STRICT;
`;

/** A pass through the keys of a bucket. */
export interface Pass {
  /** Days since 1970. */
  readonly day: number;
  /** SHA-256 of the document. */
  readonly rules: string;
  /** The last key that was looked at; empty before the first one, undefined when the pass ended. */
  readonly key: Buffer | undefined;
}

export function findPass(db: DatabaseSync, bucketNo: number): Pass | undefined {
  const row = rowOf(db, 'SELECT * FROM s3_lifecycle WHERE bucket = ?', bucketNo);
  if (row === undefined) return undefined;
  const key = row['key'] === null ? undefined : bytesOf(row['key']);
  return { day: Number(row['day']), rules: String(row['rules']), key };
}

export function setPass(db: DatabaseSync, bucketNo: number, { day, rules, key }: Pass): void {
  const sql = 'INSERT OR REPLACE INTO s3_lifecycle VALUES (?, ?, ?, ?)';
  alter(db, sql, bucketNo, day, rules, key ?? null);
}

/** Forgets passes of buckets that are gone, or have no rules. */
export function dropPasses(db: DatabaseSync): void {
  alter(
    db,
    `DELETE FROM s3_lifecycle WHERE bucket NOT IN
      (SELECT bucket FROM s3_documents WHERE kind = 'lifecycle')`,
  );
}
