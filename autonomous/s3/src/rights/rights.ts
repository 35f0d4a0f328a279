import type { DatabaseSync } from 'node:sqlite';

import type { Clock } from '@commongrid/base';

import { rowOf } from '../meta/statements.ts';
import { S3Error } from '../protocol/s3-error.ts';
import type { S3Request } from '../protocol/s3-request.ts';
import { isGranted } from './actions.ts';
import type { Action, Right } from './actions.ts';
import type { ConditionFacts } from './condition-keys.ts';
import { needsOf } from './needs.ts';
import { Policy } from './policy.ts';
import {
  addAccessKey,
  addUser,
  findAccessKey,
  findUser,
  findUserOfKey,
  firstUser,
  grantsOf,
  newAccessKey,
  newUserId,
} from './rights-tables.ts';
import type { S3User } from './rights-tables.ts';
import { SecretSeal } from './secret-seal.ts';

/** Secrets that are kept unsealed; beyond it all are unsealed anew. */
const keptSecretsMax = 10_000;
/** Policies that are kept as they were read; beyond it all are read anew. */
const keptPoliciesMax = 1000;

/** What a client signs with. */
export interface AccessKey {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** What rights need of a catalogue. */
export interface RightsTables {
  read<T>(query: (db: DatabaseSync) => T): T;
  write<T>(change: (db: DatabaseSync) => T): Promise<T>;
}

export interface RightsOptions {
  readonly catalog: RightsTables;
  /** Seals the secrets of access keys: 32 bytes. */
  readonly key: Buffer;
  readonly clock: Clock;
}

/** What of a request counts for its rights. */
export type Asked = Pick<
  S3Request,
  'operation' | 'bucket' | 'key' | 'query' | 'headers' | 'accessKey' | 'remoteAddress' | 'isSecure'
>;

/** What a caller was allowed, and may be asked for while the request is answered. */
export interface Permit {
  /** undefined for anonymous requests. */
  readonly user: S3User | undefined;
  /**
   * Whether the caller may do this to a key.
   * @param bucket default: that of the request
   */
  allows(action: Action, key: string | undefined, bucket?: string): boolean;
}

/** A bucket, as far as rights go. */
interface BucketFacts {
  readonly name: string;
  readonly owner: string;
  /** undefined: there is none; `unreadable`: nothing is allowed by it, and everything denied. */
  readonly policy: Policy | 'unreadable' | undefined;
  readonly granted: ReadonlySet<Right>;
}

/** Nobody locks himself out: these the owner of a bucket may do whatever its policy says. */
const ownersOwn: ReadonlySet<Action> = new Set([
  's3:GetBucketPolicy',
  's3:PutBucketPolicy',
  's3:DeleteBucketPolicy',
]);

/** Users, their keys, and what they may do. It answers from the tables of the catalogue. */
export class Rights {
  readonly #o: RightsOptions;
  readonly #seal: SecretSeal;
  readonly #secrets = new Map<string, { readonly sealed: Buffer; readonly secretKey: string }>();
  readonly #policies = new Map<string, { readonly text: string; readonly policy: Policy }>();

  constructor(options: RightsOptions) {
    this.#o = options;
    this.#seal = new SecretSeal(options.key);
  }

  /** The secret of an access key, for signatures; undefined when there is no such key. */
  readonly secretOf = (accessKey: string): string | undefined => {
    const row = this.#o.catalog.read((db) => findAccessKey(db, accessKey));
    if (row === undefined) return undefined;
    const kept = this.#secrets.get(accessKey);
    if (kept?.sealed.equals(row.sealed) === true) return kept.secretKey;
    const secretKey = this.#seal.open(accessKey, row.sealed);
    if (this.#secrets.size >= keptSecretsMax) this.#secrets.clear();
    this.#secrets.set(accessKey, { sealed: row.sealed, secretKey });
    return secretKey;
  };

  /** Gives a user a new access key. @throws S3_USER_UNKNOWN, S3_USER_INVALID */
  async addKey(user: string): Promise<AccessKey> {
    const made = newAccessKey();
    const sealed = this.#seal.seal(made.accessKey, made.secretKey);
    const createdMs = this.#o.clock.nowMs();
    const row = { accessKey: made.accessKey, user, sealed, createdMs };
    await this.#o.catalog.write((db) => addAccessKey(db, row));
    return made;
  }

  /** Makes the first user, an admin with an access key, in a store that has none. */
  async begin(made: AccessKey = newAccessKey()): Promise<void> {
    const { catalog, clock } = this.#o;
    if (catalog.read((db) => findUser(db, firstUser)) !== undefined) return;
    const { accessKey } = made;
    const sealed = this.#seal.seal(accessKey, made.secretKey);
    const createdMs = clock.nowMs();
    const user = { name: firstUser, isAdmin: true, makesBuckets: true, createdMs };
    const id = newUserId();
    await catalog.write((db) => {
      if (findUser(db, firstUser) !== undefined) return;
      addUser(db, user, id);
      addAccessKey(db, { accessKey, user: firstUser, sealed, createdMs });
    });
  }

  /**
   * Judges a request, once, before anything of it is done. An explicit deny of the bucket's policy
   * goes first; then owner, grants, and what the policy allows. A bucket that is not there denies
   * nobody that: it answers NoSuchBucket.
   * @throws S3Error AccessDenied, NoSuchBucket, InvalidArgument
   */
  judge(asked: Asked): Permit {
    const user = this.#userOf(asked);
    const facts = this.#factsOf(asked, user);
    if (asked.operation === 'ListBuckets' && user === undefined) throw denied();
    if (asked.operation === 'GetStoreStatus' && user?.isAdmin !== true) throw denied();
    if (asked.operation === 'CreateBucket' && user?.isAdmin !== true) {
      if (user?.makesBuckets !== true) throw denied();
    }
    const known = new Map<string, BucketFacts>();
    const bucketOf = (name: string): BucketFacts => {
      const bucket = known.get(name) ?? this.#bucket(name, user);
      known.set(name, bucket);
      return bucket;
    };
    for (const { action, bucket, key } of needsOf(asked)) {
      if (!isAllowed(bucketOf(bucket), action, key, facts, user)) throw denied();
    }
    return {
      user,
      allows: (action, key, bucket = asked.bucket) =>
        bucket !== undefined && isAllowed(bucketOf(bucket), action, key, facts, user),
    };
  }

  #userOf({ accessKey }: Asked): S3User | undefined {
    if (accessKey === undefined) return undefined;
    const user = this.#o.catalog.read((db) => findUserOfKey(db, accessKey));
    // The key was good when the signature was looked at, and was removed since.
    if (user === undefined) throw denied();
    return user;
  }

  #factsOf(asked: Asked, user: S3User | undefined): ConditionFacts {
    const { query, headers, remoteAddress, isSecure } = asked;
    return { query, headers, remoteAddress, isSecure, user, nowMs: this.#o.clock.nowMs() };
  }

  #bucket(name: string, user: S3User | undefined): BucketFacts {
    return this.#o.catalog.read((db) => {
      const sql = `SELECT no, owner, document FROM s3_buckets AS b
        LEFT JOIN s3_documents AS d ON d.bucket = b.no AND d.kind = 'policy' WHERE b.name = ?`;
      const row = rowOf(db, sql, name);
      if (row === undefined) {
        throw new S3Error('NoSuchBucket', undefined, { elements: { BucketName: name } });
      }
      const owner = String(row['owner']);
      const needsGrant = user !== undefined && !user.isAdmin && user.id !== owner;
      const granted = needsGrant ? grantsOf(db, user.name, Number(row['no'])) : none;
      const { document } = row;
      const policy = typeof document === 'string' ? this.#policy(name, document) : undefined;
      return { name, owner, policy, granted };
    });
  }

  #policy(bucket: string, text: string): Policy | 'unreadable' {
    const kept = this.#policies.get(bucket);
    if (kept?.text === text) return kept.policy;
    let policy: Policy;
    try {
      policy = Policy.parse(Buffer.from(text), bucket);
    } catch {
      // Another program wrote it. What it denies is not known, so all of it is.
      return 'unreadable';
    }
    if (this.#policies.size >= keptPoliciesMax) this.#policies.clear();
    this.#policies.set(bucket, { text, policy });
    return policy;
  }
}

const none: ReadonlySet<Right> = new Set();

/**
 * Reads the policy that a bucket is to have; all users that it names must be there.
 * @throws S3Error MalformedPolicy
 */
export function checkBucketPolicy(db: DatabaseSync, bytes: Buffer, bucket: string): Policy {
  const policy = Policy.parse(bytes, bucket);
  const unknown = policy.userNames.find((name) => findUser(db, name) === undefined);
  if (unknown === undefined) return policy;
  throw new S3Error('MalformedPolicy', `Invalid principal in policy: there is no user ${unknown}.`);
}

function isAllowed(
  { name, owner, policy, granted }: BucketFacts,
  action: Action,
  key: string | undefined,
  facts: ConditionFacts,
  user: S3User | undefined,
): boolean {
  const isOwner = user !== undefined && (user.isAdmin || user.id === owner);
  if (isOwner && ownersOwn.has(action)) return true;
  const resource = key === undefined ? name : `${name}/${key}`;
  const verdict = policy === 'unreadable' ? 'deny' : policy?.judge({ action, resource, facts });
  if (verdict === 'deny') return false;
  return isOwner || verdict === 'allow' || isGranted(action, granted);
}

function denied(): S3Error {
  return new S3Error('AccessDenied');
}
