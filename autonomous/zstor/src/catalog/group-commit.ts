import type { DatabaseSync } from 'node:sqlite';
import { GridError, Mutex, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';
import type { Beside } from './beside.ts';
import type { CatalogDatabase } from './catalog-database.ts';
import { notServing } from './lease.ts';
import type { LogHead } from './log-head.ts';
import { recordBodyBytesMax } from './tlog-record.ts';

/** Changes that become one record. */
const batchChangesMax = 256;
/** Changes that wait; beyond it ZSTOR_CATALOG_BUSY. */
const waitingChangesMax = 16_384;
/** Longest wait for changes of those who were just answered, ms; as long as the last batch took at most. */
const gatherMsMax = 10;

/** A change of rows. It may run again before it is kept, so it has no other effect. */
export type Change<T> = (db: DatabaseSync) => T;

interface Waiting {
  readonly run: Change<unknown>;
  readonly onMade: (result: unknown) => void;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** How a change ended, before it is known whether the batch is kept. */
type Outcome = { readonly result: unknown } | { readonly error: unknown };

/**
 * Makes one transaction and one record of all changes that wait.
 *
 * 1. Each change runs in a savepoint: one that throws is undone alone. It saw the changes before it,
 *    so its error, too, is told only when those are kept.
 * 2. The changeset of all of them goes to a majority of the log; what belongs beside the tables is sent
 *    along, and its owner waits for it.
 * 3. COMMIT: from here on readers see it.
 * 4. All are answered, if the lease still holds.
 *
 * A batch costs about the same with one change or many. So when others wait already, it gives those who
 * were answered last the time to come again: else two groups would take turns for ever.
 *
 * When 2 fails, nobody knows whether the record will be part of the log: ROLLBACK, and all callers
 * are told just that.
 */
export class GroupCommit {
  readonly #database: CatalogDatabase;
  readonly #head: LogHead;
  readonly #beside: Beside;
  readonly #clock: Clock;
  readonly #turns = new Mutex();
  readonly #waiting: Waiting[] = [];
  #isPlanned = false;
  #batchMax = batchChangesMax;
  /** When the last batch ended, how long it took, and how many may come together now. */
  #last = { endMs: -Infinity, tookMs: 0, changes: 0 };
  #onGathered: (() => void) | undefined;
  /** Changes that were kept. */
  keptChanges = 0;

  constructor(
    database: CatalogDatabase,
    head: LogHead,
    beside: Beside,
    clock: Clock = systemClock,
  ) {
    this.#database = database;
    this.#head = head;
    this.#beside = beside;
    this.#clock = clock;
  }

  /**
   * @param onMade called when the change went through, before it is kept; again when it runs again
   * @throws what `change` throws, ZSTOR_CATALOG_BUSY, ZSTOR_CATALOG_RESULT_UNKNOWN,
   *   ZSTOR_CATALOG_NOT_SERVING, ZSTOR_CATALOG_CHANGE_TOO_LARGE, ZSTOR_CATALOG_CHANGE_INVALID
   */
  write<T>(change: Change<T>, onMade: (result: T) => void = () => {}): Promise<T> {
    if (this.#waiting.length >= waitingChangesMax) return Promise.reject(busy());
    return new Promise<T>((resolve, reject) => {
      // The queue holds changes with all kinds of results; each gets its own back.
      const give = (result: unknown): void => resolve(result as T);
      const made = (result: unknown): void => onMade(result as T);
      this.#waiting.push({ run: change, onMade: made, resolve: give, reject });
      if (this.#waiting.length >= this.#last.changes) this.#onGathered?.();
      this.#plan();
    });
  }

  /** Runs `run` between two batches. */
  exclusive<T>(run: () => Promise<T>): Promise<T> {
    return this.#turns.run(run);
  }

  /** Resolves when what was asked for so far has been answered. */
  async idle(): Promise<void> {
    while (this.#waiting.length > 0 || this.#isPlanned) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      await this.#turns.run(() => {});
    }
  }

  /** All that came in with the same turn of the event loop goes together. */
  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    setImmediate(() => {
      this.#turns.run(() => this.#drain()).catch((error: unknown) => this.#refuseAll(error));
    });
  }

  async #drain(): Promise<void> {
    try {
      await this.#gather();
      const batch = this.#waiting.splice(0, this.#batchMax);
      if (batch.length === 0) return;
      const startMs = this.#clock.monotonicMs();
      await this.#keep(batch);
      const endMs = this.#clock.monotonicMs();
      const changes = Math.min(batch.length + this.#waiting.length, this.#batchMax);
      this.#last = { endMs, tookMs: endMs - startMs, changes };
    } finally {
      this.#isPlanned = false;
      if (this.#waiting.length > 0) this.#plan();
    }
  }

  /** Whoever is alone waits for nobody. */
  async #gather(): Promise<void> {
    const { endMs, tookMs, changes } = this.#last;
    if (this.#waiting.length === 0 || this.#waiting.length >= changes) return;
    const waitMs = endMs + Math.min(gatherMsMax, tookMs) - this.#clock.monotonicMs();
    if (waitMs <= 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimer(waitMs, resolve);
      this.#onGathered = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#onGathered = undefined;
  }

  #refuseAll(error: unknown): void {
    for (const each of this.#waiting.splice(0)) each.reject(error);
  }

  async #keep(batch: readonly Waiting[]): Promise<void> {
    if (this.#head.lost !== undefined) {
      for (const each of batch) each.reject(notServing(this.#head.lost.message));
      return;
    }
    const dueMs = this.#head.dates.due;
    let outcomes: readonly Outcome[];
    let changes: Uint8Array;
    try {
      outcomes = this.#runAll(batch);
      this.#database.note((db) => this.#beside.note(db, this.#head.state.epoch));
      changes = this.#database.endChanges(dueMs);
    } catch (error) {
      this.#database.rollback();
      for (const each of batch) each.reject(error);
      return;
    }
    if (changes.length > recordBodyBytesMax) {
      this.#split(batch, changes.length);
      return;
    }
    const unknown = await this.#append(changes, dueMs);
    if (unknown === undefined)
      this.keptChanges += outcomes.filter((each) => 'result' in each).length;
    this.#batchMax = batchChangesMax;
    for (const [i, each] of batch.entries()) {
      const outcome = outcomes[i];
      if (unknown !== undefined) each.reject(unknown);
      else if (outcome !== undefined && 'error' in outcome) each.reject(outcome.error);
      else each.resolve(outcome?.result);
    }
  }

  #runAll(batch: readonly Waiting[]): Outcome[] {
    this.#database.beginBatch();
    this.#beside.begin();
    return batch.map(({ run, onMade }) => {
      try {
        const result = this.#database.change(run);
        onMade(result);
        return { result };
      } catch (error) {
        if (!this.#database.isInBatch) throw error;
        return { error };
      }
    });
  }

  /** Steps 2 to 4; the error for all when the result is unknown. */
  async #append(changes: Uint8Array, dueMs?: number): Promise<GridError | undefined> {
    const database = this.#database;
    const head = this.#head;
    try {
      if (changes.length === 0) database.rollback();
      else {
        const appended = head.append('changes', changes);
        this.#beside.send();
        await appended;
        database.commit(head.state);
        if (dueMs !== undefined) head.dates.noted(dueMs);
      }
    } catch (cause) {
      database.rollback();
      // In the log and not in the tables, when it was COMMIT that failed: they have to be read anew.
      head.giveUp(cause);
      return unknownResult(cause);
    }
    try {
      head.requireLease();
      return undefined;
    } catch (cause) {
      return changes.length === 0 ? notServing('its lease has ended') : unknownResult(cause);
    }
  }

  /** Too much for one record: half of the changes at a time, down to the one that is too large. */
  #split(batch: readonly Waiting[], bytes: number): void {
    this.#database.rollback();
    if (batch.length === 1) {
      batch[0]?.reject(tooLarge(bytes));
      this.#batchMax = batchChangesMax;
      return;
    }
    this.#batchMax = Math.ceil(batch.length / 2);
    this.#waiting.unshift(...batch);
  }
}

function busy(): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_CATALOG_BUSY', `${waitingChangesMax} changes wait`, {
    hint: 'send less at a time',
    retryable: true,
  });
}

function tooLarge(bytes: number): GridError<ZstorErrorCode> {
  return new GridError(
    'ZSTOR_CATALOG_CHANGE_TOO_LARGE',
    `one change alters ${bytes} bytes of rows, a record holds ${recordBodyBytesMax}`,
    { hint: 'split it into several changes', details: { bytes, limit: recordBodyBytesMax } },
  );
}

function unknownResult(cause: unknown): GridError<ZstorErrorCode> {
  return new GridError(
    'ZSTOR_CATALOG_RESULT_UNKNOWN',
    'the change may be kept or not: this head could not find out',
    { hint: 'look whether it is there before you make it again', retryable: true, cause },
  );
}
