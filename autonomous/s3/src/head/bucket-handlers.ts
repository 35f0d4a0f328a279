import { releaseKey } from '@commongrid/zstor';

import * as buckets from '../meta/buckets.ts';
import type { Bucket } from '../meta/buckets.ts';
import { listBucketsDocument } from '../protocol/list-documents.ts';
import { locationDocument, versioningDocument } from '../protocol/object-documents.ts';
import type { Operation } from '../protocol/operations.ts';
import { S3Error } from '../protocol/s3-error.ts';
import { parseLocation, parseVersioning } from '../protocol/xml-requests.ts';
import { dropGrants, grantsOf } from '../rights/rights-tables.ts';
import { checkCannedAcl } from './canned-acl.ts';
import { bucketOf, read, write } from './head-context.ts';
import type { Handle, HeadContext } from './head-context.ts';
import { readCount } from './list-parameters.ts';
import { callerOf } from './owners.ts';

/** Longest small document of a request. */
const documentBytesMax = 64 << 10;
/** Most buckets of one page of a list, as at AWS; without a number all are listed. */
const bucketsPageMax = 10_000;

/** What is done to buckets themselves. */
export const bucketHandlers = {
  ListBuckets: async (head, request, permit) => {
    const { query } = request;
    const prefix = query.get('prefix') ?? '';
    const after = query.get('continuation-token') ?? '';
    const max = readCount(query, 'max-buckets', bucketsPageMax, 1);
    const region = query.get('bucket-region') ?? head.region;
    const caller = callerOf(permit);
    const listed = read(head, (db) => {
      const mayKnow = ({ no, owner }: Bucket): boolean =>
        caller.isAdmin || owner === caller.id || grantsOf(db, caller.name, no).size > 0;
      const all = buckets.listBuckets(db, { prefix, after, max: bucketsPageMax });
      return region === head.region ? all.filter(mayKnow) : [];
    });
    const rows = listed.slice(0, max);
    return {
      body: listBucketsDocument(caller, rows, {
        prefix: query.get('prefix'),
        nextToken: listed.length > max ? rows.at(-1)?.name : undefined,
      }),
    };
  },

  CreateBucket: async (head, request, permit) => {
    const { bucket: name = '', headers } = request;
    checkCannedAcl(headers);
    const region = parseLocation(await request.payload.bytes(documentBytesMax));
    if (region !== undefined && region !== '' && region !== head.region) {
      throw new S3Error('InvalidLocationConstraint', undefined, {
        elements: { LocationConstraint: region },
      });
    }
    const owner = callerOf(permit).id;
    const isLockable = headers['x-amz-bucket-object-lock-enabled']?.toString() === 'true';
    const made = { name, owner, createdMs: head.clock.nowMs(), isLockable };
    read(head, (db) => buckets.checkNameIsFree(db, name, owner));
    await withNewKey(head, (keyNo) =>
      write(head, (db) => {
        buckets.createBucket(db, { ...made, keyNo });
      }),
    );
    return { headers: { location: `/${name}` } };
  },

  HeadBucket: async (head, request) => {
    bucketOf(head, request);
    const alias = { 'x-amz-access-point-alias': 'false' };
    return { headers: { 'x-amz-bucket-region': head.region, ...alias } };
  },

  DeleteBucket: async (head, request) => {
    const bucket = bucketOf(head, request);
    await write(head, (db) => {
      buckets.deleteBucket(db, bucket);
      dropGrants(db, bucket.no);
      releaseKey(db, bucket.keyNo);
    });
    await head.store.eraseKey(bucket.keyNo);
    return { status: 204 };
  },

  GetBucketLocation: async (head, request) => {
    bucketOf(head, request);
    return { body: locationDocument(head.region) };
  },

  GetBucketVersioning: async (head, request) => {
    const { versioning } = bucketOf(head, request);
    const told = { off: undefined, enabled: 'Enabled', suspended: 'Suspended' } as const;
    return { body: versioningDocument(told[versioning]) };
  },

  PutBucketVersioning: async (head, request) => {
    const status = parseVersioning(await request.payload.bytes(documentBytesMax));
    const bucket = bucketOf(head, request);
    const versioning = status === 'Enabled' ? 'enabled' : 'suspended';
    await write(head, (db) => buckets.setVersioning(db, bucket, versioning));
    return {};
  },
} as const satisfies Partial<Record<Operation, Handle>>;

/** Makes a key for what `use` makes; without that it is erased again. */
async function withNewKey(
  { store }: HeadContext,
  use: (keyNo: number) => Promise<void>,
): Promise<void> {
  const keyNo = await store.createKey();
  try {
    await use(keyNo);
  } catch (error) {
    // What may have been kept needs its key.
    if (error instanceof S3Error) await store.eraseKey(keyNo);
    throw error;
  }
}
