import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import fc from 'fast-check';

import type { ObjectLock } from '../protocol/object-headers.ts';
import { S3Error } from '../protocol/s3-error.ts';
import { MetaTables, noHeaders } from '../testing/meta-tables.ts';
import { createBucket, setObjectLock, setVersioning } from './buckets.ts';
import type { BucketRef } from './buckets.ts';
import { deleteObject } from './delete-object.ts';
import { setLegalHold, setRetention } from './locks.ts';
import { putVersion } from './put-version.ts';
import { findVersion } from './versions.ts';

const dayMs = 86_400_000;
const startMs = 1_700_000_000_000;

/** A plain account of what was promised about each version. */
interface Promised {
  readonly versionId: string;
  lock: ObjectLock | undefined;
  isHeld: boolean;
}

type Step =
  | { readonly kind: 'clock'; readonly days: number | undefined }
  | { readonly kind: 'put'; readonly lock: Asked | undefined; readonly hold: boolean | undefined }
  | { readonly kind: 'default'; readonly lock: Asked | undefined }
  | {
      readonly kind: 'retain';
      readonly at: number;
      readonly lock: Asked | undefined;
      readonly bypasses: boolean;
    }
  | { readonly kind: 'hold'; readonly at: number; readonly isHeld: boolean }
  | { readonly kind: 'delete'; readonly at: number | undefined; readonly bypasses: boolean }
  | { readonly kind: 'suspend' };

interface Asked {
  readonly mode: ObjectLock['mode'];
  readonly days: number;
}

const lock = fc.option(
  fc.record({
    mode: fc.constantFrom('GOVERNANCE' as const, 'COMPLIANCE' as const),
    days: fc.integer({ min: 1, max: 6 }),
  }),
  { nil: undefined },
);
const at = fc.nat({ max: 3 });
const bypasses = fc.boolean();
const step: fc.Arbitrary<Step> = fc.oneof(
  // undefined: nobody can be sure of the date any more, until the next step of the clock.
  fc.record({
    kind: fc.constant('clock' as const),
    days: fc.option(fc.integer({ min: -4, max: 4 }), { nil: undefined }),
  }),
  fc.record({
    ...{ kind: fc.constant('put' as const), lock },
    hold: fc.option(fc.boolean(), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('default' as const), lock }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('retain' as const), at, lock, bypasses }) },
  fc.record({ kind: fc.constant('hold' as const), at, isHeld: fc.boolean() }),
  {
    weight: 3,
    arbitrary: fc.record({
      ...{ kind: fc.constant('delete' as const), bypasses },
      at: fc.option(at, { nil: undefined }),
    }),
  },
  fc.record({ kind: fc.constant('suspend' as const) }),
);

/** The rules again, in the shortest words. */
class Vault {
  readonly #tables: MetaTables;
  readonly #ref: BucketRef;
  readonly promised: Promised[] = [];
  #nowMs = startMs;
  #datesMs: number | undefined = startMs;
  #default: Asked | undefined;

  constructor(tables: MetaTables, ref: BucketRef) {
    this.#tables = tables;
    this.#ref = ref;
  }

  run(each: Step): void {
    switch (each.kind) {
      case 'clock':
        this.#nowMs += (each.days ?? 0) * dayMs;
        this.#datesMs = each.days === undefined ? undefined : this.#nowMs;
        return;
      case 'put':
        this.#put(each.lock, each.hold);
        return;
      case 'default': {
        this.#default = each.lock;
        const chosen = each.lock && { ...each.lock, years: undefined };
        this.#expect(true, () => this.#change((db) => setObjectLock(db, this.#ref, chosen)));
        return;
      }
      case 'retain':
        this.#retain(this.promised[each.at], each.lock, each.bypasses);
        return;
      case 'hold': {
        const version = this.promised[each.at];
        if (version === undefined) return;
        version.isHeld = each.isHeld;
        const object = { key: 'k', versionId: version.versionId };
        this.#expect(true, () =>
          this.#change((db) => setLegalHold(db, this.#ref, object, each.isHeld)),
        );
        return;
      }
      case 'delete':
        this.#delete(each.at, each.bypasses);
        return;
      case 'suspend':
        this.#expect(false, () => this.#change((db) => setVersioning(db, this.#ref, 'suspended')));
    }
  }

  /** Every version that was not deleted rightly is there, and locked as was promised. */
  check(): void {
    for (const { versionId, lock: promisedLock, isHeld } of this.promised) {
      const version = findVersion(this.#tables.db, this.#ref.no, 'k', versionId);
      assert.deepEqual(version?.lock, promisedLock);
      assert.equal(version?.legalHold ?? false, isHeld);
    }
  }

  #put(asked: Asked | undefined, hold: boolean | undefined): void {
    const own = asked && this.#lockFrom(asked);
    const facts = { key: 'k', id: this.#tables.ids.next(), sizeBytes: 0, etag: '' };
    const headers = { ...noHeaders, lock: own, legalHold: hold };
    const rest = { headers, checksum: undefined, body: { inline: Buffer.alloc(0) } };
    const version = { ...facts, ...rest, modifiedMs: this.#nowMs };
    const rules = { conditions: {}, datesMs: this.#datesMs };
    const { versionId = '' } = this.#change((db) => putVersion(db, this.#ref, version, rules));
    const promised = own ?? (this.#default && this.#lockFrom(this.#default));
    this.promised.unshift({ versionId, lock: promised, isHeld: hold === true });
  }

  #retain(version: Promised | undefined, asked: Asked | undefined, mayBypass: boolean): void {
    if (version === undefined) return;
    const next = asked && this.#lockFrom(asked);
    const now = version.lock;
    const isLive = now !== undefined && !this.#hasEnded(now);
    const isStronger = next?.mode === now?.mode && (next?.retainUntilMs ?? 0) >= untilOf(now);
    const isFree = !isLive || isStronger || (now.mode === 'GOVERNANCE' && mayBypass);
    const object = { key: 'k', versionId: version.versionId };
    const rules = { datesMs: this.#datesMs, bypassesGovernance: mayBypass };
    this.#expect(isFree, () =>
      this.#change((db) => setRetention(db, this.#ref, object, next, rules)),
    );
    if (isFree) version.lock = next;
  }

  #delete(back: number | undefined, mayBypass: boolean): void {
    const version = back === undefined ? undefined : this.promised[back];
    if (back !== undefined && version === undefined) return;
    const isLive = version?.lock !== undefined && !this.#hasEnded(version.lock);
    const isFree =
      version === undefined ||
      (!version.isHeld && (!isLive || (version.lock?.mode === 'GOVERNANCE' && mayBypass)));
    const markerId = this.#tables.ids.next();
    const versionId = version?.versionId;
    const rules = { conditions: {}, datesMs: this.#datesMs, bypassesGovernance: mayBypass };
    this.#expect(isFree, () =>
      this.#change((db) =>
        deleteObject(db, this.#ref, { key: 'k', versionId, markerId, nowMs: 1 }, rules),
      ),
    );
    if (isFree && back !== undefined) this.promised.splice(back, 1);
  }

  #lockFrom({ mode, days }: Asked): ObjectLock {
    return { mode, retainUntilMs: this.#nowMs + days * dayMs };
  }

  #hasEnded({ retainUntilMs }: ObjectLock): boolean {
    return this.#datesMs !== undefined && this.#datesMs >= retainUntilMs;
  }

  #change<T>(run: (db: MetaTables['db']) => T): T {
    return this.#tables.change(run);
  }

  #expect(isAllowed: boolean, act: () => unknown): void {
    if (isAllowed) act();
    else assert.throws(act, S3Error);
  }
}

function untilOf(each: ObjectLock | undefined): number {
  return each?.retainUntilMs ?? 0;
}

function lockable(tables: MetaTables): BucketRef {
  return tables.change((db) =>
    createBucket(db, { name: 'one', owner: 'me', createdMs: 1, keyNo: 0, isLockable: true }),
  );
}

suite('locks', () => {
  test('hold what was promised, whatever is asked for and however the clock jumps', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        using tables = new MetaTables();
        const vault = new Vault(tables, lockable(tables));
        for (const each of steps) {
          vault.run(each);
          vault.check();
        }
        tables.check();
      }),
      { numRuns: 300 },
    );
  });

  test('of a bucket begin at the latest date that is known, though the clock is behind', () => {
    using tables = new MetaTables();
    const ref = lockable(tables);
    tables.change((db) =>
      setObjectLock(db, ref, { mode: 'COMPLIANCE', days: 1, years: undefined }),
    );
    const facts = { key: 'k', id: tables.ids.next(), sizeBytes: 0, etag: '' };
    const rest = { headers: noHeaders, checksum: undefined, modifiedMs: startMs - 7 * dayMs };
    const version = { ...facts, ...rest, body: { inline: Buffer.alloc(0) } };
    const rules = { conditions: {}, datesMs: undefined, latestMs: startMs };
    tables.change((db) => putVersion(db, ref, version, rules));
    const kept = findVersion(tables.db, ref.no, 'k', undefined)?.lock;
    assert.equal(kept?.retainUntilMs, startMs + dayMs);
  });

  test('keep a null version from being replaced', () => {
    using tables = new MetaTables();
    const bucket = { name: 'one', owner: 'me', createdMs: 1, keyNo: 0, isLockable: false };
    const ref = tables.change((db) => createBucket(db, bucket));
    const rules = { conditions: {}, datesMs: startMs };
    const put = (): unknown =>
      tables.change((db) => {
        const facts = { key: 'k', id: tables.ids.next(), sizeBytes: 0, etag: '' };
        const rest = { headers: noHeaders, checksum: undefined, modifiedMs: startMs };
        const body = { inline: Buffer.alloc(0) };
        return putVersion(db, ref, { ...facts, ...rest, body }, rules);
      });
    const remove = (versionId: string | undefined): unknown =>
      tables.change((db) => {
        const markerId = tables.ids.next();
        return deleteObject(db, ref, { key: 'k', versionId, markerId, nowMs: 1 }, rules);
      });
    put();
    tables.change((db) => {
      setVersioning(db, ref, 'enabled');
      setObjectLock(db, ref, undefined);
      setLegalHold(db, ref, { key: 'k', versionId: 'null' }, true);
    });
    put();
    // As if the bucket could be suspended in spite of its locks.
    tables.change((db) => db.prepare('UPDATE s3_buckets SET versioning = 2').run());
    assert.throws(put, { s3Code: 'AccessDenied' });
    assert.throws(() => remove(undefined), { s3Code: 'AccessDenied' });
    assert.throws(() => remove('null'), { s3Code: 'AccessDenied' });
    assert.equal(findVersion(tables.db, ref.no, 'k', 'null')?.legalHold, true);
  });

  test('are refused where the bucket has none, and for dates that are past or far off', () => {
    using tables = new MetaTables();
    const ref = lockable(tables);
    const put = (to: BucketRef, retainUntilMs: number): unknown =>
      tables.change((db) => {
        const facts = { key: 'k', id: tables.ids.next(), sizeBytes: 0, etag: '' };
        const until = { mode: 'COMPLIANCE' as const, retainUntilMs };
        const rest = { headers: { ...noHeaders, lock: until }, checksum: undefined };
        const body = { inline: Buffer.alloc(0) };
        const version = { ...facts, ...rest, body, modifiedMs: startMs };
        return putVersion(db, to, version, { conditions: {}, datesMs: startMs });
      });
    assert.throws(() => put(ref, startMs), { s3Code: 'InvalidArgument' });
    assert.throws(() => put(ref, startMs + 40_000 * dayMs), { s3Code: 'InvalidArgument' });
    put(ref, startMs + 1);
    const plain = { name: 'two', owner: 'me', createdMs: 1, keyNo: 0, isLockable: false };
    const other = tables.change((db) => createBucket(db, plain));
    assert.throws(() => put(other, startMs + 1), { s3Code: 'InvalidRequest' });
    assert.throws(() => tables.change((db) => setObjectLock(db, other, undefined)), {
      s3Code: 'InvalidBucketState',
    });
  });
});
