import type { DatabaseSync } from 'node:sqlite';

import { inclusionProof, isIncluded, verifyRecordProof } from '@commongrid/bcdb/browser';
import type { RecordProof, Trust, VerifiedRecord } from '@commongrid/bcdb/browser';
import { GridError } from '@commongrid/base';
import { parseCanonical } from '@commongrid/crypto';

import type { S3PackageErrorCode } from '../errors.ts';
import { findBucket } from '../meta/buckets.ts';
import { rowOf } from '../meta/statements.ts';
import { findVersion } from '../meta/versions.ts';
import { bucketUnknown } from '../rights/rights-tables.ts';
import type { Anchor } from './anchoring.ts';
import { findLeaf, TreeReader } from './tree-tables.ts';
import { describeVersion, leafHashOf, treeHasher } from './version-leaf.ts';
import type { VersionText } from './version-leaf.ts';

/** Shows without any server that a version existed: docs/formats/s3-proof.md. */
export interface VersionProof {
  readonly schema: 'grid.s3.proof.1';
  /** What is proven. */
  readonly version: VersionText;
  /** Number of its leaf, and the sisters on its way to the root, base64url, the lowest first. */
  readonly leaf: number;
  readonly path: readonly string[];
  /** That the root is in a database. */
  readonly record: RecordProof;
}

export interface VerifiedVersion {
  readonly version: VersionText;
  readonly anchor: Anchor;
  readonly record: VerifiedRecord;
}

/** The type of the records that anchors are. */
const anchorUrl = 'grid.anchor.1';

/** Longest path: sizes stay below 2^53. */
const pathMax = 64;

/**
 * By the oldest anchor that has the version; without `versionId` of the current one.
 * @throws S3_BUCKET_UNKNOWN, S3_VERSION_UNKNOWN, S3_NOT_ANCHORED, S3Error InvalidArgument
 */
export function proveVersion(
  db: DatabaseSync,
  bucket: string,
  key: string,
  versionId: string | undefined,
): VersionProof {
  const { no } = findBucket(db, bucket) ?? bucketUnknown(bucket);
  const version = findVersion(db, no, key, versionId);
  if (version === undefined) throw versionUnknown(bucket, key);
  const leaf = findLeaf(db, version.sequence);
  const sql = 'SELECT size, record FROM s3_anchors WHERE size > ? ORDER BY size LIMIT 1';
  const anchor = leaf && rowOf(db, sql, leaf.no);
  if (leaf === undefined || anchor === undefined) throw notAnchored(bucket, key);
  const path = inclusionProof(new TreeReader(db), leaf.no, Number(anchor['size']));
  return {
    schema: 'grid.s3.proof.1',
    version: describeVersion(bucket, version, leaf.state),
    leaf: leaf.no,
    path: path.map((hash) => Buffer.from(hash).toString('base64url')),
    record: JSON.parse(String(anchor['record'])) as RecordProof,
  };
}

/**
 * Verifies a proof that came from anywhere: parsed JSON. It shows that the version existed when the
 * record was written, if whoever signed that is to be believed; what the object held is bound as
 * well as its ETag and checksum bind it.
 * @param trust the log, and its sequencer's key, from elsewhere
 * @throws S3_PROOF_INVALID, and as `verifyRecordProof`
 */
export function verifyVersionProof(proof: unknown, trust: Trust): VerifiedVersion {
  const { schema, version, leaf, path, record } = membersOf(proof);
  if (schema !== 'grid.s3.proof.1') throw invalid('it is of no known schema');
  if (!isVersion(version)) throw invalid('it names no version');
  const verified = verifyRecordProof(record, trust);
  const anchor = anchorIn(verified);
  const isThere = isIncluded(treeHasher, {
    leafHash: leafHashOf(version),
    seq: typeof leaf === 'number' ? leaf : -1,
    size: anchor.size,
    root: Buffer.from(anchor.root, 'base64url'),
    path: hashesIn(path),
  });
  if (!isThere) throw invalid('the version is not in the tree of the anchor');
  return { version, anchor, record: verified };
}

function isVersion(value: unknown): value is VersionText {
  if (typeof value !== 'object' || value === null) return false;
  return 'schema' in value && value.schema === 'grid.s3.version.1';
}

function anchorIn({ envelope, payload }: VerifiedRecord): Anchor {
  if (envelope.url !== anchorUrl || envelope.op !== 'put' || payload === undefined) {
    throw invalid('its record is no anchor');
  }
  const { store, size, root } = parseCanonical(payload) as Partial<Record<keyof Anchor, unknown>>;
  if (typeof store === 'string' && typeof size === 'number' && typeof root === 'string') {
    return { store, size, root };
  }
  throw invalid('its record is no anchor');
}

function hashesIn(path: unknown): Buffer[] {
  const isList = Array.isArray(path) && path.length <= pathMax;
  if (!isList || !path.every((hash) => typeof hash === 'string' && hash.length === 43)) {
    throw invalid('its path is no list of hashes');
  }
  return path.map((hash) => Buffer.from(String(hash), 'base64url'));
}

function membersOf(value: unknown): Partial<Record<keyof VersionProof, unknown>> {
  if (typeof value === 'object' && value !== null) return value;
  throw invalid('it is no object');
}

function versionUnknown(bucket: string, key: string): GridError<S3PackageErrorCode> {
  return new GridError('S3_VERSION_UNKNOWN', `${bucket} has no such version of ${key}`, {
    hint: `aws s3api list-object-versions --bucket ${bucket}`,
    details: { bucket, key },
  });
}

function notAnchored(bucket: string, key: string): GridError<S3PackageErrorCode> {
  return new GridError('S3_NOT_ANCHORED', `no anchor has this version of ${key} yet`, {
    hint: 'grid s3 anchor',
    details: { bucket, key },
  });
}

function invalid(why: string): GridError<S3PackageErrorCode> {
  return new GridError('S3_PROOF_INVALID', `the proof shows nothing: ${why}`);
}
