import { hash } from 'node:crypto';

import { TreeHasher } from '@commongrid/bcdb/browser';
import { canonicalBytes } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';

import type { LockState } from '../meta/lock-columns.ts';
import { idText } from '../meta/object-ids.ts';
import type { Version } from '../meta/versions.ts';

/** What a leaf of the tree says of a version. `docs/formats/s3-proof.md` */
export type VersionText = Readonly<Record<string, JsonValue>>;

/** The hashes of RFC 6962. */
export const treeHasher = new TreeHasher((bytes) => hash('sha256', bytes, 'buffer'));

/** @param state the lock as it was when the leaf was made: it may have been prolonged since */
export function describeVersion(bucket: string, version: Version, state: LockState): VersionText {
  const { key, id, isMarker, sizeBytes, etag, modifiedMs, checksum } = version;
  const { lock, legalHold } = state;
  return {
    schema: 'grid.s3.version.1',
    ...{ bucket, key, id: idText(id), isMarker, sizeBytes, etag, modifiedMs },
    ...(checksum === undefined ? {} : { checksum: { ...checksum } }),
    ...(lock === undefined ? {} : { lock: { ...lock } }),
    ...(legalHold === undefined ? {} : { legalHold }),
  };
}

export function leafHashOf(text: VersionText): Uint8Array {
  return treeHasher.leafHash(canonicalBytes(text));
}
