import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';

import { delay, repeat, silentLogger, throwIfAborted } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';

import { findBucket, findDocument, listBuckets } from '../meta/buckets.ts';
import type { Bucket } from '../meta/buckets.ts';
import { deleteObject } from '../meta/delete-object.ts';
import { rowsOf } from '../meta/statements.ts';
import { abortUpload, uploadOf } from '../meta/uploads.ts';
import { parseLifecycle } from '../protocol/bucket-documents.ts';
import type { LifecycleRule } from '../protocol/bucket-documents.ts';
import { S3Error } from '../protocol/s3-error.ts';
import { isUploadDue } from './due.ts';
import { placeAfter, stepFrom } from './key-walk.ts';
import type { DueVersion, Place } from './key-walk.ts';
import { dropPasses, findPass, setPass } from './lifecycle-tables.ts';

/** How often is looked whether a bucket has to be gone through: once a day, and after its rules change. */
const lookEveryMs = 60_000;
/** Pause between two steps, which are for as long as requests wait. */
const stepPauseMs = 20;
/** Steps after which is noted how far the pass is: so much is done again after a restart. */
const notedSteps = 50;
/** Uploads that one step looks at. */
const uploadsMax = 200;
/** Buckets that are listed at a time. */
const bucketsMax = 100;

const dayMs = 86_400_000;

export interface LifecycleOptions {
  readonly catalog: LifecycleCatalog;
  /** What dates are judged by; undefined while nobody can be sure: then nothing is deleted. */
  readonly datesMs: () => number | undefined;
  /** While the tables are not to be trusted nothing is deleted either. */
  readonly isOff: () => boolean;
  /** Ids of delete markers. */
  readonly nextId: () => Buffer;
  readonly clock: Clock;
  readonly logger?: Logger;
}

/** What lifecycle needs of a catalogue. */
export interface LifecycleCatalog {
  readonly isServing: boolean;
  read<T>(query: (db: DatabaseSync) => T): T;
  write<T>(change: (db: DatabaseSync) => T): Promise<T>;
}

/** What a lifecycle did since it runs. */
export interface LifecycleCounts {
  expired: number;
  removed: number;
  aborted: number;
  /** Versions whose time has come and that a lock keeps. */
  locked: number;
}

/** A bucket with rules that are in force. */
interface Ruled {
  readonly bucket: Bucket;
  readonly document: string;
  readonly rules: readonly LifecycleRule[];
}

/** Deletes what the lifecycle rules of buckets say, once a day, in small changes. */
export class LifecycleRunner {
  readonly #o: LifecycleOptions;
  readonly #logger: Logger;
  readonly counts: LifecycleCounts = { expired: 0, removed: 0, aborted: 0, locked: 0 };

  constructor(options: LifecycleOptions) {
    this.#o = options;
    this.#logger = options.logger ?? silentLogger;
  }

  /** Until the signal fires. What fails is logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const onError = (err: unknown): void => this.#logger.warn({ err }, 'lifecycle failed');
    const { clock } = this.#o;
    await repeat(lookEveryMs, () => this.look(signal), { signal, clock, onError });
  }

  /** Goes through each bucket that is due for it. Throws what failed first, once all were looked at. */
  async look(signal: AbortSignal): Promise<void> {
    if (!this.#mayDelete()) return;
    await this.#o.catalog.write(dropPasses);
    const failures: unknown[] = [];
    let after = '';
    for (;;) {
      const buckets = this.#o.catalog.read((db) => listBuckets(db, { after, max: bucketsMax }));
      for (const bucket of buckets) {
        throwIfAborted(signal);
        try {
          const ruled = this.#ruledOf(bucket);
          if (ruled !== undefined) await this.#goThrough(ruled, signal);
        } catch (error) {
          // What fails in one bucket keeps no other waiting.
          if (signal.aborted || !this.#mayDelete()) throw error;
          failures.push(error);
        }
      }
      after = buckets.at(-1)?.name ?? '';
      if (buckets.length < bucketsMax) break;
    }
    if (failures.length > 0) throw failures[0];
  }

  #mayDelete(): boolean {
    const { catalog, isOff, datesMs } = this.#o;
    return catalog.isServing && !isOff() && datesMs() !== undefined;
  }

  #ruledOf(bucket: Bucket): Ruled | undefined {
    const document = this.#o.catalog.read((db) => findDocument(db, bucket, 'lifecycle'));
    if (document === undefined) return undefined;
    const rules = parseLifecycle(Buffer.from(document)).filter(({ isEnabled }) => isEnabled);
    return { bucket, document, rules };
  }

  /** Phases: 1. uploads; 2. versions, from where the pass of this day was left. */
  async #goThrough(ruled: Ruled, signal: AbortSignal): Promise<void> {
    const { catalog, clock, datesMs } = this.#o;
    const { no } = ruled.bucket;
    const day = Math.floor((datesMs() ?? 0) / dayMs);
    const rules = createHash('sha256').update(ruled.document).digest('hex');
    const pass = catalog.read((db) => findPass(db, no));
    const isSame = pass?.day === day && pass.rules === rules;
    if (isSame && pass.key === undefined) return;
    const noted = isSame ? pass.key : undefined;
    if (noted === undefined) await this.#abortUploads(ruled, signal);
    let place: Place | undefined = placeAfter(noted ?? Buffer.alloc(0));
    for (let steps = 1; ; steps += 1) {
      throwIfAborted(signal);
      if (!this.#mayDelete()) return;
      const next = await this.#step(ruled, place);
      if (next === 'ended') break;
      if (next === 'changed') return;
      place = next;
      if (steps % notedSteps === 0) {
        // The key under way is gone through again as a whole.
        const { key } = place;
        const before = catalog.read((db) => keyBefore(db, no, key));
        await catalog.write((db) => setPass(db, no, { day, rules, key: before }));
      }
      await delay(stepPauseMs, { signal, clock });
    }
    await catalog.write((db) => setPass(db, no, { day, rules, key: undefined }));
  }

  /** Looks at some versions, and deletes what is due in one change that looks at them again. */
  async #step(ruled: Ruled, place: Place): Promise<Place | 'ended' | 'changed'> {
    const { catalog } = this.#o;
    const nowMs = this.#o.datesMs();
    if (nowMs === undefined) return 'changed';
    const { no } = ruled.bucket;
    const look = (db: DatabaseSync): ReturnType<typeof stepFrom> =>
      stepFrom(db, no, ruled.rules, place, nowMs);
    const seen = catalog.read(look);
    if (seen === undefined) return 'ended';
    if (seen.due.length === 0) return seen.place;
    const done = await catalog.write((db) => {
      const bucket = sameRules(db, ruled);
      const again = bucket && look(db);
      if (bucket === undefined || again === undefined) return undefined;
      const results = again.due.map((due) => this.#delete(db, bucket, due, nowMs));
      return { place: again.place, results };
    });
    for (const result of done?.results ?? []) this.counts[result] += 1;
    return done?.place ?? 'changed';
  }

  #delete(
    db: DatabaseSync,
    bucket: Bucket,
    { version, due }: DueVersion,
    nowMs: number,
  ): keyof LifecycleCounts {
    const versionId = due === 'remove' ? version.versionId : undefined;
    const markerId = this.#o.nextId();
    const rules = { conditions: {}, datesMs: nowMs };
    try {
      deleteObject(db, bucket, { key: version.key, versionId, markerId, nowMs }, rules);
      return due === 'remove' ? 'removed' : 'expired';
    } catch (error) {
      // Refused ahead of any change: a lock. It is looked at again in the next pass.
      if (error instanceof S3Error && error.s3Code === 'AccessDenied') return 'locked';
      throw error;
    }
  }

  async #abortUploads(ruled: Ruled, signal: AbortSignal): Promise<void> {
    const { catalog, clock } = this.#o;
    let key: Buffer = Buffer.alloc(0);
    let id: Buffer = Buffer.alloc(0);
    for (;;) {
      throwIfAborted(signal);
      const nowMs = this.#o.datesMs();
      if (nowMs === undefined || !this.#mayDelete()) return;
      const uploads = catalog.read((db) =>
        rowsOf(
          db,
          `SELECT * FROM s3_uploads WHERE bucket = ? AND (key, id) > (?, ?)
            ORDER BY key, id LIMIT ?`,
          ...[ruled.bucket.no, key, id, uploadsMax],
        ).map(uploadOf),
      );
      const last = uploads.at(-1);
      if (last === undefined) return;
      [key, id] = [Buffer.from(last.key), last.id];
      const due = uploads.filter((upload) => isUploadDue(ruled.rules, upload, nowMs));
      for (const { key: of, uploadId } of due) await this.#abort(ruled, { key: of, uploadId });
      await delay(stepPauseMs, { signal, clock });
    }
  }

  async #abort(ruled: Ruled, ref: Parameters<typeof abortUpload>[2]): Promise<void> {
    const isDone = await this.#o.catalog.write((db) => {
      const bucket = sameRules(db, ruled);
      if (bucket === undefined) return false;
      try {
        abortUpload(db, bucket, ref);
        return true;
      } catch (error) {
        // Somebody else completed or aborted it.
        if (error instanceof S3Error && error.s3Code === 'NoSuchUpload') return false;
        throw error;
      }
    });
    if (isDone) this.counts.aborted += 1;
  }
}

/** The bucket as it is now, if it is the same one and has the same rules. */
function sameRules(db: DatabaseSync, { bucket, document }: Ruled): Bucket | undefined {
  const now = findBucket(db, bucket.name);
  if (now?.no !== bucket.no || findDocument(db, now, 'lifecycle') !== document) return undefined;
  return now;
}

/** The last key ahead of `key`; empty when there is none. */
function keyBefore(db: DatabaseSync, bucketNo: number, key: Buffer): Buffer {
  const sql = 'SELECT key FROM s3_versions WHERE bucket = ? AND key < ? ORDER BY key DESC LIMIT 1';
  const [row] = rowsOf(db, sql, bucketNo, key);
  const found = row?.['key'];
  return found instanceof Uint8Array ? Buffer.from(found) : Buffer.alloc(0);
}
