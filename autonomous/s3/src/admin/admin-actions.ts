import type { DatabaseSync } from 'node:sqlite';

import { GridError } from '@commongrid/base';
import type { ControlAction, ControlArguments } from '@commongrid/base';
import { acceptRebuild, isRebuilt } from '@commongrid/zstor';
import type { BlobStore } from '@commongrid/zstor';

import type { S3PackageErrorCode } from '../errors.ts';
import * as buckets from '../meta/buckets.ts';
import type { Bucket } from '../meta/buckets.ts';
import { rowOf } from '../meta/statements.ts';
import type { Rights } from '../rights/rights.ts';
import * as people from '../rights/rights-tables.ts';
import { grantsIn, limitIn, optionalText, textIn } from './admin-arguments.ts';
import { fsck } from './fsck.ts';
import type { FsckResult } from './fsck-checks.ts';

/** Buckets of one answer. */
const bucketsMax = 500;
/** Users of one answer. */
const usersMax = 500;

export interface AdminOptions {
  readonly store: BlobStore;
  readonly rights: Rights;
  readonly region: string;
  /** Where clients find this head, as a URL. */
  readonly endpoint: () => string;
  readonly nowMs: () => number;
}

/** What a client needs to use the store. */
export interface ClientKey {
  readonly endpoint: string;
  readonly region: string;
  readonly user: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

export interface UserReport {
  readonly name: string;
  readonly isAdmin: boolean;
  readonly makesBuckets: boolean;
  readonly accessKeys: readonly string[];
  /** As `BUCKET:RIGHT`. */
  readonly grants: readonly string[];
}

export interface BucketReport {
  readonly name: string;
  readonly owner: string;
  readonly createdMs: number;
  readonly versioning: Bucket['versioning'];
  readonly isLockable: boolean;
  readonly objects: number;
  readonly bytes: number;
  readonly uploadBytes: number;
  readonly quotaBytes: number | null;
  readonly quotaObjects: number | null;
}

export interface StatReport {
  /** This head may answer; otherwise the rest is what it knew last. */
  readonly isServing: boolean;
  readonly endpoint: string;
  readonly region: string;
  readonly buckets: number;
  readonly objects: number;
  readonly bytes: number;
  readonly uploadBytes: number;
  readonly users: number;
  /** Why nothing that has a date is deleted now; null when it is. */
  readonly datesProblem: string | null;
  /** The tables were made again without their log: nothing is deleted until that is accepted. */
  readonly isRebuilt: boolean;
  readonly care: ReturnType<BlobStore['care']['status']>;
}

export interface FsckReport extends FsckResult {
  readonly isSound: boolean;
  /** The tables were made again without their log: nothing is deleted until that is accepted. */
  readonly isRebuilt: boolean;
  /** This check took that back. */
  readonly isAccepted: boolean;
}

/**
 * What the owner of a store may ask of its head, by the name of the action.
 * @param get throws while the head does not serve yet
 */
export function adminActions(get: () => AdminOptions): Readonly<Record<string, ControlAction>> {
  return {
    's3.key': async () => firstKey(get()),
    's3.users': async (args) => ({ users: told(get(), (db) => usersAfter(db, args)) }),
    's3.keys.add': (args) => addKey(get(), args),
    's3.keys.rm': async (args) => {
      const accessKey = optionalText(args, 'accessKey');
      const user = accessKey === undefined ? textIn(args, 'user') : undefined;
      await get().store.catalog.write((db) => {
        if (accessKey !== undefined) people.removeAccessKey(db, accessKey);
        else if (user !== undefined) people.removeUser(db, user);
      });
    },
    's3.buckets': async (args) => ({ buckets: told(get(), (db) => bucketsAfter(db, args)) }),
    's3.quota': (args) => setQuota(get(), args),
    's3.stat': (_args, { signal }) => statOf(get(), signal),
    's3.fsck': async (args, { signal, progress }): Promise<FsckReport> => {
      const { store } = get();
      const result = await fsck(store, { signal, onProgress: progress });
      const isAccepted = args['isAccepted'] === true && store.catalog.read(isRebuilt);
      if (isAccepted) await store.catalog.write(acceptRebuild);
      const isSound = Object.keys(result.counts).length === 0;
      return { ...result, isSound, isRebuilt: told(get(), isRebuilt), isAccepted };
    },
  };
}

/** What was read may be told only while this head serves. @throws ZSTOR_CATALOG_NOT_SERVING */
function told<T>({ store }: AdminOptions, query: (db: DatabaseSync) => T): T {
  const found = store.catalog.read(query);
  store.catalog.requireLease();
  return found;
}

function hasLease({ store }: AdminOptions): boolean {
  try {
    store.catalog.requireLease();
    return true;
  } catch {
    return false;
  }
}

/** The oldest key of the first user. @throws S3_KEY_UNKNOWN */
function firstKey(options: AdminOptions): ClientKey {
  const { rights } = options;
  const user = people.firstUser;
  const [row] = told(options, (db) => people.listAccessKeys(db, user));
  const secretKey = row && rights.secretOf(row.accessKey);
  if (row !== undefined && secretKey !== undefined) {
    return clientKey(options, user, { accessKey: row.accessKey, secretKey });
  }
  throw new GridError<S3PackageErrorCode>('S3_KEY_UNKNOWN', `${user} has no access key`, {
    hint: `grid s3 keys add ${user}`,
  });
}

/** Gives a user a key; one that is not there is made, with what it may do. */
async function addKey(options: AdminOptions, args: ControlArguments): Promise<ClientKey> {
  const { store, rights, nowMs } = options;
  const name = textIn(args, 'user');
  const user = {
    ...{ name, isAdmin: args['isAdmin'] === true },
    ...{ makesBuckets: args['makesBuckets'] === true, createdMs: nowMs() },
  };
  const grants = grantsIn(args);
  const id = people.newUserId();
  await store.catalog.write((db) => {
    if (people.findUser(db, name) === undefined) people.addUser(db, user, id);
    else people.checkSameUser(db, user);
    for (const [bucket, granted] of grants) people.setGrants(db, name, bucket, granted);
  });
  return clientKey(options, name, await rights.addKey(name));
}

function clientKey(
  { endpoint, region }: AdminOptions,
  user: string,
  key: { readonly accessKey: string; readonly secretKey: string },
): ClientKey {
  return { endpoint: endpoint(), region, user, ...key };
}

function usersAfter(db: DatabaseSync, args: ControlArguments): readonly UserReport[] {
  const after = optionalText(args, 'after') ?? '';
  return people.listUsers(db, { after, max: usersMax }).map((user) => ({
    name: user.name,
    isAdmin: user.isAdmin,
    makesBuckets: user.makesBuckets,
    accessKeys: people.listAccessKeys(db, user.name).map(({ accessKey }) => accessKey),
    grants: people.listGrants(db, user.name).map(({ bucket, right }) => `${bucket}:${right}`),
  }));
}

function bucketsAfter(db: DatabaseSync, args: ControlArguments): readonly BucketReport[] {
  const after = optionalText(args, 'after') ?? '';
  return buckets.listBuckets(db, { after, max: bucketsMax }).map((bucket) => reportOf(db, bucket));
}

function reportOf(db: DatabaseSync, bucket: Bucket): BucketReport {
  const { name, owner, createdMs, versioning, isLockable, quota } = bucket;
  const { objects, bytes, uploadBytes } = bucket;
  return {
    ...{ name, owner: people.findUserById(db, owner)?.name ?? owner, createdMs, versioning },
    ...{ isLockable, objects, bytes, uploadBytes },
    ...{ quotaBytes: quota.bytes ?? null, quotaObjects: quota.objects ?? null },
  };
}

/** Sets what is given, and tells what is in force. @throws S3_BUCKET_UNKNOWN, S3_ORDER_INVALID */
async function setQuota({ store }: AdminOptions, args: ControlArguments): Promise<BucketReport> {
  const name = textIn(args, 'bucket');
  const [bytes, objects] = [limitIn(args, 'bytes'), limitIn(args, 'objects')];
  return store.catalog.write((db) => {
    const bucket = buckets.findBucket(db, name) ?? people.bucketUnknown(name);
    const { quota } = bucket;
    buckets.setQuota(db, bucket, {
      bytes: bytes === undefined ? quota.bytes : (bytes ?? undefined),
      objects: objects === undefined ? quota.objects : (objects ?? undefined),
    });
    return reportOf(db, buckets.requireBucket(db, name));
  });
}

/** Also while this head may not answer clients: how the backends are tells why. */
async function statOf(options: AdminOptions, signal: AbortSignal): Promise<StatReport> {
  const { store, endpoint, region } = options;
  const { catalog } = store;
  const sums = catalog.read((db) =>
    rowOf(
      db,
      `SELECT count(*) AS buckets, total(objects) AS objects, total(bytes) AS bytes,
        total(upload_bytes) AS upload_bytes, (SELECT count(*) FROM s3_users) AS users
        FROM s3_buckets`,
    ),
  );
  return {
    ...{ isServing: hasLease(options), endpoint: endpoint(), region },
    ...{ buckets: Number(sums?.['buckets']), objects: Number(sums?.['objects']) },
    ...{ bytes: Number(sums?.['bytes']), uploadBytes: Number(sums?.['upload_bytes']) },
    users: Number(sums?.['users']),
    datesProblem: catalog.datesProblem ?? null,
    isRebuilt: catalog.read(isRebuilt),
    care: await store.care.surveyed(signal),
  };
}
