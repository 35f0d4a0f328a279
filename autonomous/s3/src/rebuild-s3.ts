import { adoptBlob, rebuildStore } from '@commongrid/zstor';
import type { RebuildOptions, RebuildReport } from '@commongrid/zstor';

import { restoreVersion } from './meta/version-document.ts';
import { s3Schema } from './s3-schema.ts';

export type S3RebuildOptions = Omit<RebuildOptions, 'schema' | 'apply' | 'actions'>;

/**
 * Makes the tables of a store with buckets again while no head runs; see `rebuildStore`. Without the log,
 * users, keys and settings of buckets are those of the tables or the snapshot that it begins with, and
 * nothing is deleted until somebody accepts what is there.
 */
export function rebuildS3(options: S3RebuildOptions): Promise<RebuildReport> {
  return rebuildStore({
    ...options,
    schema: s3Schema,
    apply: (db, manifest) => restoreVersion(db, manifest, adoptBlob),
  });
}
