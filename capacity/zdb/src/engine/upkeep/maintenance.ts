import { GridError } from '@commongrid/base';
import type { ZdbErrorCode } from '../../errors.ts';
import { writeCheckpoint } from '../keys/checkpoint.ts';
import { CompactionPicker } from './compaction-picker.ts';
import { planCompaction } from './compaction-plan.ts';
import { compact, type CompactorContext } from './compactor.ts';
import { makeFile, syncFolderAsync } from '@commongrid/files';
import type { LogRecord } from '../log/frame-reader.ts';
import type { History } from '../reading/history.ts';
import { type HourWindow, msUntilWindow } from './hour-window.ts';
import type { Log } from '../log/log.ts';
import type { Namespace } from '../namespace.ts';
import type { Segment, Share } from '../log/segment.ts';
import type { IndexEntry, SegmentIndex } from '../log/segment-index.ts';

export interface MaintenanceContext extends Omit<CompactorContext, 'durable' | 'pause'> {
  readonly log: Log;
  readonly history: History;
  /** Deletions above this sequence stay: a registered replica has not passed them. */
  readonly deletionsUpTo: () => number;
  /** Numbers of namespaces below this one have been given out. */
  readonly numbersGiven: () => number;
  /** The time by which the age of history is judged. */
  readonly ageNowMs: () => number;
  /** Hours of the day (UTC) in which compaction runs that is not urgent; undefined = always. */
  readonly compactWindow?: HourWindow;
  readonly onSealed: (segment: Segment) => void;
  readonly onError: (error: unknown, job: string) => void;
}

/** A checkpoint is due when so much of the log is not in it. */
const CHECKPOINT_LOG_BYTES = 256 * 1024 * 1024;
const CHECKPOINT_RECORDS = 2 * 1024 * 1024;
/** Compactions in a row before other jobs get their turn. */
const ROUNDS_MAX = 64;
/** Work between two pauses, ms; and the pause is as long times this. */
const SLICE_MS = 4;
const REST_PART = 1;

/**
 * What the store does behind its users' backs, one job at a time: seals segments, compacts, writes
 * checkpoints. Nothing runs, and nothing is written, while nobody writes.
 */
export class Maintenance {
  readonly #context: MaintenanceContext;
  readonly #picker: CompactionPicker;
  #running: Promise<void> | undefined;
  #isClosed = false;
  #isWanted = false;
  #sliceStart = 0;
  #windowTimer: NodeJS.Timeout | undefined;
  #checkpointSequence = 0;
  #waiting: { namespace: Namespace; bytes: number; resolve: (isThere: boolean) => void }[] = [];

  constructor(context: MaintenanceContext, checkpointSequence: number) {
    this.#context = context;
    this.#picker = new CompactionPicker(context);
    this.#checkpointSequence = checkpointSequence;
  }

  /** Looks for work; called when a segment was begun, a namespace removed, and the like. */
  kick(): void {
    if (this.#isClosed) return;
    this.#isWanted = true;
    this.#running ??= this.#run();
  }

  /** Compacts until a namespace has so much room, or nothing more can be won. */
  makeRoom(namespace: Namespace, bytes: number): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#waiting.push({ namespace, bytes, resolve });
      this.kick();
    });
  }

  /** Compacts all that can be won back in a namespace, or everywhere. */
  async compactAll(namespace?: Namespace): Promise<void> {
    await this.#exclusive(async () => {
      await this.#rotateIfDead(() => true);
      await this.#sealAll();
      for (;;) {
        const run = this.#picker.best((one) => this.#picker.deadBytes(one, namespace) > 0);
        if (run === undefined || !(await this.#compactRun(run))) return;
      }
    });
  }

  /** Rewrites every segment that holds a matching record, without it. */
  async eraseEverywhere(
    namespaceId: number,
    isErased: (entry: IndexEntry, segment: Segment) => boolean,
  ): Promise<number> {
    let erased = 0;
    await this.#exclusive(async () => {
      await this.#rotateIfDead(() => true);
      await this.#sealAll();
      for (const segment of [...this.#context.table.segments]) {
        if (!segment.isSealed || !segment.shares.has(namespaceId)) continue;
        const index = await this.#context.locator.load(segment);
        let found = 0;
        for (let i = 0; i < index.count; i++) if (isErased(index.entry(i), segment)) found++;
        if (found === 0) continue;
        const isDone = await this.#compactRun([segment], (_id, entry, from) => {
          return isErased(entry, from);
        });
        if (!isDone) throw this.#isClosed ? closing() : notErased(segment);
        erased += found;
      }
    });
    return erased;
  }

  /** Notes that an erasure has been carried out. */
  async noteErased(sequence: number): Promise<void> {
    await this.#exclusive(async () => {
      const { table } = this.#context;
      table.erasures = table.erasures?.filter((one) => one !== sequence);
      await table.saveBehind();
    });
  }

  /** Writes a sealed segment anew, with `replacements` for records that are damaged in it. */
  async rewrite(segment: Segment, replacements: ReadonlyMap<number, LogRecord>): Promise<void> {
    await this.#exclusive(async () => {
      const { table, locator, log } = this.#context;
      if (!segment.isSealed || !table.segments.includes(segment)) return;
      const index = await locator.load(segment);
      const kept = Uint32Array.from({ length: index.count }, (_, position) => position);
      const plan = {
        run: [segment],
        segments: [{ segment, index, kept, droppedNewest: new Uint32Array(0) }],
        decidedAt: 0,
        droppedBytes: 0,
        deletionsDroppedThrough: 0,
        replacements,
      };
      const durable = (sequence: number): Promise<void> => log.flush(sequence);
      await compact({ ...this.#context, durable, pause: () => this.#pause() }, plan);
    });
  }

  /** Writes a checkpoint now. */
  async checkpoint(): Promise<void> {
    await this.#exclusive(() => this.#checkpointNow());
  }

  async #exclusive(work: () => Promise<void>): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    // Whoever closed it goes on with the same files.
    if (this.#isClosed) throw closing();
    // Not begun at once: what it does first may kick(), which must find it noted.
    const begun = Promise.resolve().then(work);
    const done = begun.finally(() => {
      this.#running = undefined;
    });
    // Others wait for its end; only its caller hears that it failed.
    this.#running = done.catch(() => undefined);
    try {
      await done;
    } finally {
      if (this.#isWanted) this.kick();
    }
  }

  async #run(): Promise<void> {
    // Whoever called must have noted the promise before this can end: nobody would clear it else.
    await Promise.resolve();
    try {
      while (this.#isWanted && !this.#isClosed && this.#context.log.failure === undefined) {
        this.#isWanted = false;
        await this.#sealAll();
        await this.#compactDue();
        await this.#serveWaiting();
        if (this.#isCheckpointDue()) await this.#checkpointNow();
      }
    } catch (error) {
      if (!this.#isClosed) this.#context.onError(error, 'maintenance');
    } finally {
      this.#running = undefined;
      for (const one of this.#waiting.splice(0)) one.resolve(false);
    }
  }

  // Sealing.

  async #sealAll(): Promise<void> {
    const { table } = this.#context;
    for (const segment of [...table.segments]) {
      if (this.#isClosed) return;
      if (segment.isSealed) {
        if (segment.index !== undefined) await this.#writeIndex(segment, segment.index);
        continue;
      }
      if (segment === table.last && !segment.isClosing) continue;
      if (segment.recordCount > 0) await this.#seal(segment);
    }
  }

  /** The entries of a full segment are in memory until it is sealed: no long job may leave them there. */
  async #sealFull(): Promise<void> {
    const before = this.#context.table.segments.at(-2);
    if (before !== undefined && !before.isSealed) await this.#sealAll();
  }

  async #seal(segment: Segment): Promise<void> {
    const { table, locator } = this.#context;
    await this.#context.log.flush(segment.lastSequence);
    await this.#writeIndex(segment, await locator.load(segment));
    segment.isSealed = true;
    await table.saveBehind();
    this.#context.onSealed(segment);
  }

  async #writeIndex(segment: Segment, index: SegmentIndex): Promise<void> {
    const { files, table } = this.#context;
    await makeFile(files, segment.indexPath, index.encode(table.logId, segment.id));
    await syncFolderAsync(files, table.folder);
    segment.index = undefined;
  }

  // Compaction.

  async #compactDue(): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX && !this.#isClosed; round++) {
      await this.#serveWaiting();
      const full = this.#picker.nearlyFull();
      await this.#rotateIfDead((share, id) => {
        return this.#picker.isShareWorthIt(share) && full.some((one) => one.id === id);
      });
      await this.#sealAll();
      const run = this.#picker.urgent() ?? this.#halfDead();
      if (run === undefined || !(await this.#compactRun(run))) return;
    }
  }

  /** What is not urgent waits for its hours. */
  #halfDead(): readonly Segment[] | undefined {
    const run = this.#picker.halfDead();
    const waitMs = msUntilWindow(this.#context.compactWindow, this.#context.nowMs());
    if (run === undefined || waitMs === 0) return run;
    clearTimeout(this.#windowTimer);
    this.#windowTimer = setTimeout(() => this.kick(), waitMs);
    this.#windowTimer.unref();
    return undefined;
  }

  async #serveWaiting(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#isClosed) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      const { namespace, bytes } = first;
      const isThere = await this.#winBack(namespace, bytes);
      this.#waiting = this.#waiting.filter((one) => {
        if (one.namespace !== namespace) return true;
        one.resolve(isThere || this.#hasRoom(namespace, one.bytes));
        return false;
      });
    }
  }

  async #winBack(namespace: Namespace, bytes: number): Promise<boolean> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      if (this.#hasRoom(namespace, bytes)) return true;
      await this.#rotateIfDead((share, id) => id === namespace.id && share.bytes > share.liveBytes);
      await this.#sealAll();
      const run = this.#picker.best((one) => this.#picker.deadBytes(one, namespace) > 0, namespace);
      if (run === undefined || !(await this.#compactRun(run)))
        return this.#hasRoom(namespace, bytes);
    }
    return this.#hasRoom(namespace, bytes);
  }

  #hasRoom(namespace: Namespace, bytes: number): boolean {
    const { maxBytes } = namespace.settings;
    return namespace.isRemoved || maxBytes === 0 || namespace.usedBytes + bytes <= maxBytes;
  }

  /** Returns false when it was not done. */
  async #compactRun(
    run: readonly Segment[],
    isErased?: (namespaceId: number, entry: IndexEntry, segment: Segment) => boolean,
  ): Promise<boolean> {
    const context = this.#context;
    const isErasureOnly = context.log.lastSequence < context.table.compactedThrough;
    if (isErasureOnly && isErased === undefined) return false;
    this.#picker.tried(run);
    const pause = (): Promise<void> => this.#pause();
    const plan = await planCompaction(
      {
        table: context.table,
        namespaces: context.namespaces,
        locator: context.locator,
        history: context.history,
        lastSequence: () => context.log.lastSequence,
        nowSeconds: Math.floor(context.ageNowMs() / 1000),
        numbersGiven: context.numbersGiven,
        deletionsUpTo: context.deletionsUpTo(),
        pause,
        ...(isErased === undefined ? {} : { isErased, isErasureOnly }),
      },
      run,
    );
    if (plan.droppedBytes === 0) {
      this.#picker.futile(run);
      return true;
    }
    try {
      const durable = (sequence: number): Promise<void> => context.log.flush(sequence);
      this.#picker.futile(await compact({ ...context, durable, pause }, plan));
    } catch (error) {
      if (this.#isClosed) return false;
      this.#picker.futile(run);
      context.onError(error, 'compaction');
      return isErased === undefined;
    }
    return true;
  }

  /** Begins a new segment when the one that is written holds what is to be won back. */
  async #rotateIfDead(isDead: (share: Share, namespaceId: number) => boolean): Promise<void> {
    const { table, log } = this.#context;
    const { last } = table;
    if (last === undefined || last.isSealed || last.isClosing || last.recordCount === 0) return;
    let isWanted = false;
    for (const [id, share] of last.shares) isWanted ||= isDead(share, id);
    if (!isWanted) return;
    log.rotate();
    await this.#context.log.flush(last.lastSequence);
  }

  // Checkpoints.

  #isCheckpointDue(): boolean {
    const { log, table } = this.#context;
    const records = log.lastSequence - this.#checkpointSequence;
    if (records === 0) return false;
    if (records > CHECKPOINT_RECORDS) return true;
    let bytes = 0;
    for (const segment of table.segments) {
      if (segment.lastSequence > this.#checkpointSequence) bytes += segment.nextOffset;
    }
    return bytes > CHECKPOINT_LOG_BYTES;
  }

  async #checkpointNow(): Promise<void> {
    const { log, table } = this.#context;
    const sequence = log.lastSequence;
    const number = (table.checkpoint % 1_000_000) + 1;
    await writeCheckpoint(
      {
        files: this.#context.files,
        table,
        namespaces: this.#context.namespaces,
        lastSequence: () => log.lastSequence,
        durable: (at) => this.#context.log.flush(at),
        meanwhile: () => this.#sealFull(),
      },
      number,
    );
    this.#checkpointSequence = sequence;
  }

  // Time.

  /** Lets others work: after each slice it rests about as long as it worked. */
  async #pause(): Promise<void> {
    const worked = performance.now() - this.#sliceStart;
    if (worked < SLICE_MS && worked >= 0) return;
    const rest = this.#waiting.length > 0 ? 0 : Math.min(worked, 20) * REST_PART;
    await new Promise((resolve) => {
      if (rest < 1) setImmediate(resolve);
      else setTimeout(resolve, rest);
    });
    if (this.#isClosed) throw closing();
    this.#sliceStart = performance.now();
  }

  /** Ends the job under way, at its next pause, and starts no other. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#windowTimer);
    while (this.#running !== undefined) await this.#running;
    for (const one of this.#waiting.splice(0)) one.resolve(false);
  }
}

function closing(): GridError {
  return new GridError<ZdbErrorCode>('ZDB_CLOSED', 'the store was closed meanwhile');
}

function notErased(segment: Segment): GridError {
  return new GridError<ZdbErrorCode>(
    'ZDB_ERASE_FAILED',
    `${segment.path} could not be written anew without the key`,
    { hint: 'grid zdb scrub', details: { path: segment.path } },
  );
}
