import type { DatabaseSync } from 'node:sqlite';

import { rowsOf } from '../meta/statements.ts';
import { versionOf } from '../meta/versions.ts';
import type { Version } from '../meta/versions.ts';
import type { LifecycleRule } from '../protocol/bucket-documents.ts';
import { dueOf } from './due.ts';
import type { Due } from './due.ts';

/** Versions that one step goes through, and that one change deletes at most. */
const stepVersionsMax = 200;

/** A version for which something is due. */
export interface DueVersion {
  readonly version: Version;
  readonly due: Exclude<Due, undefined>;
}

/** Where a walk through the versions of a bucket goes on: keys in order, the newest version first. */
export interface Place {
  /** All keys before this one were looked at as a whole. */
  readonly key: Buffer;
  /** Of the last version of the key that was looked at. */
  readonly sequence: number;
  /** Of that version; undefined when none of the key was looked at. */
  readonly modifiedMs: number | undefined;
  /** Noncurrent versions of the key that were looked at. */
  readonly noncurrent: number;
}

/** Before all keys behind `key`; an empty one is before all. */
export function placeAfter(key: Buffer): Place {
  return { key, sequence: -1, modifiedMs: undefined, noncurrent: 0 };
}

/** Looks at the next versions of a bucket. Undefined at its end. */
export function stepFrom(
  db: DatabaseSync,
  bucketNo: number,
  rules: readonly LifecycleRule[],
  from: Place,
  nowMs: number,
): { readonly place: Place; readonly due: readonly DueVersion[] } | undefined {
  let place = from;
  const due: DueVersion[] = [];
  const versions = versionsFrom(db, bucketNo, from);
  for (const version of versions) {
    const bytes = Buffer.from(version.key);
    const isSameKey = bytes.equals(place.key);
    const noncurrent = isSameKey ? place.noncurrent : 0;
    const standing = {
      noncurrentSinceMs: isSameKey ? place.modifiedMs : undefined,
      newerNoncurrent: noncurrent,
      isOnly: version.isMarker && isOnly(db, version, bytes),
    };
    const what = dueOf(rules, version, standing, nowMs);
    if (what !== undefined) due.push({ version, due: what });
    const { sequence, modifiedMs } = version;
    place = {
      key: bytes,
      sequence,
      modifiedMs,
      noncurrent: noncurrent + (version.isLatest ? 0 : 1),
    };
  }
  return versions.length === 0 ? undefined : { place, due };
}

function versionsFrom(db: DatabaseSync, bucketNo: number, place: Place): readonly Version[] {
  const sql = `SELECT * FROM s3_versions WHERE bucket = ? AND key = ? AND sequence < ?
    ORDER BY sequence DESC LIMIT ?`;
  const rest = rowsOf(db, sql, bucketNo, place.key, place.sequence, stepVersionsMax);
  const left = stepVersionsMax - rest.length;
  const further = `SELECT * FROM s3_versions WHERE bucket = ? AND key > ?
    ORDER BY key, sequence DESC LIMIT ?`;
  return [...rest, ...rowsOf(db, further, bucketNo, place.key, left)].map(versionOf);
}

function isOnly(db: DatabaseSync, { bucket }: Version, key: Buffer): boolean {
  const sql = 'SELECT 1 FROM s3_versions WHERE bucket = ? AND key = ? LIMIT 2';
  return rowsOf(db, sql, bucket, key).length === 1;
}
