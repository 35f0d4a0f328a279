import { GridError, systemClock } from '@commongrid/base';
import type { Clock, Timer } from '@commongrid/base';
import { canonicalBytes } from '@commongrid/crypto';
import type { SigningKey } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../errors.ts';
import { batchBytesMax } from '../ledger/ledger-batch.ts';
import type { LedgerBatch } from '../ledger/ledger-batch.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { LogHead } from '../log/log-engine.ts';
import { signRecord } from '../record/author.ts';
import type { Statement } from '../record/author.ts';
import { checkRecord } from '../record/checked-record.ts';
import type { CheckedRecord } from '../record/checked-record.ts';
import type { Entry } from '../record/entry.ts';
import { logNamespace, systemUrls } from '../record/system-records.ts';
import type { TickRecord } from '../record/system-records.ts';
import type { Evidence } from './evidence.ts';
import { LogClock, newsBurst, newsEveryMs, tickEveryMs } from './log-clock.ts';
import type { SignaturePool } from './signature-pool.ts';

/** Records that wait to be judged; beyond it appends are refused. */
const waitingRecordsMax = 20_000;

/** Bytes of leaves and bodies that wait to be judged. */
const waitingBytesMax = 256 << 20;

/** Statements of the sequencer itself that wait to be signed. */
const ownStatementsMax = 10_000;

/** Batches that are written or synced at one time. */
const batchesInFlightMax = 2;

/** Where a record stands in the log, once that is durable. */
export interface Receipt {
  readonly seq: number;
  /** Leaf hash, base64url: the version that the record made. */
  readonly version: string;
  /** A head of the log that contains the record. */
  readonly head: LogHead;
}

/**
 * What the sequencer asks of a record beyond the rules, because only it can know: how long a lease was
 * not renewed. No part of the fold: replicas take what it let in. Undefined lets the record in.
 */
export type Admission = (record: CheckedRecord) => GridError | undefined;

export interface SequencerOptions {
  readonly ledger: Ledger;
  readonly signatures: SignaturePool;
  readonly key: SigningKey;
  readonly evidence: Evidence;
  readonly clock?: Clock;
}

/** A statement of the sequencer: it gets version and counter when it has its turn. */
interface OwnStatement {
  readonly statement: Statement;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: unknown) => void;
}

interface Waiting {
  readonly record: CheckedRecord;
  readonly bytes: number;
  /** Undefined until the pool has spoken. */
  isSigned: boolean | undefined;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: unknown) => void;
}

/** What is said to an author once the batch in which it was decided is durable. */
interface Answer {
  readonly waiting: Pick<Waiting, 'resolve' | 'reject'>;
  readonly version: string;
  readonly seq: number | undefined;
  readonly refusal?: GridError;
}

/**
 * Puts records in order. Only one works on a log at a time.
 *
 * 1. `append` checks form and payload hash, takes a place in the line, and has the signature checked
 *    in the pool.
 * 2. A turn takes what was checked, puts a tick ahead when log time is old, judges each record, puts a
 *    tick behind when they concern readers, who learn of them by it, and hands all to the ledger as one
 *    batch.
 * 3. Once that is durable all authors of the turn are answered, also those who were refused: a
 *    refusal tells of records that must not be lost any more.
 */
export class Sequencer implements AsyncDisposable {
  readonly #ledger: Ledger;
  readonly #signatures: SignaturePool;
  readonly #key: SigningKey;
  readonly #evidence: Evidence;
  readonly #clock: Clock;
  readonly #logClock: LogClock;
  readonly #waiting: Waiting[] = [];
  readonly #own: OwnStatement[] = [];
  #admit: Admission = () => undefined;
  #waitingBytes = 0;
  #inFlight = 0;
  #isTurnDue = false;
  /** The last turn could not be taken: what fell due then is tried again, but not at once. */
  #isFailing = false;
  #isClosed = false;
  #tickTimer: Timer | undefined;
  #recordsSinceTick = 0;
  /** What `feeds.concerned` was at the last tick. */
  #concernedAtTick: number;
  /** When ticks for the sake of readers that were put would be over at their pace, by the monotonic clock. */
  #newsPaidMs = Number.NEGATIVE_INFINITY;
  #drained: (() => void) | undefined;

  constructor({ ledger, signatures, key, evidence, clock = systemClock }: SequencerOptions) {
    this.#ledger = ledger;
    this.#signatures = signatures;
    this.#key = key;
    this.#evidence = evidence;
    this.#clock = clock;
    this.#logClock = new LogClock(clock);
    // Records that had no tick after them when the process ended.
    this.#recordsSinceTick = ledger.nextSeq - 1 - ledger.fold.feeds.tick;
    this.#concernedAtTick = ledger.fold.feeds.concerned;
    this.#scheduleTick();
  }

  /**
   * Appends a record; resolves once it is durable. The same record again gives the first receipt.
   * @throws BCDB_SIGNATURE_INVALID, BCDB_EQUIVOCATION, BCDB_BUSY and what the rules refuse
   */
  append(entry: Entry): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const record = checkRecord(entry);
      requireLog(record.envelope.log, this.#ledger.log);
      const bytes = entry.leaf.length + (entry.body?.length ?? 0);
      this.#requireRoom(bytes);
      const waiting: Waiting = { record, bytes, resolve, reject, isSigned: undefined };
      this.#waiting.push(waiting);
      this.#waitingBytes += bytes;
      void this.#check(waiting);
    });
  }

  /** Has the signature looked at; the record keeps its place in the line meanwhile. */
  async #check(waiting: Waiting): Promise<void> {
    const { envelope, entry } = waiting.record;
    try {
      waiting.isSigned = await this.#signatures.check(envelope.author, entry.leaf);
    } catch (error) {
      waiting.isSigned = false;
      waiting.reject(error);
    }
    this.#wantTurn();
  }

  /**
   * Appends a record of the sequencer's own, which follows the newest version of its object; resolves
   * once it is durable. Its key counts ticks too, so that nobody else can sign with it.
   * @throws BCDB_BUSY and what the rules refuse
   */
  write(statement: Statement): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw stopped();
      if (this.#own.length >= ownStatementsMax) throw busy();
      this.#own.push({ statement, resolve, reject });
      this.#wantTurn();
    });
  }

  /** From now on asks this of each record before it is judged. */
  set admission(admit: Admission) {
    this.#admit = admit;
  }

  /** The clock was looked at and is right. */
  confirmClock(): void {
    this.#logClock.confirm();
  }

  /** Refuses new records, waits for those taken in. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#tickTimer?.cancel();
    if (this.#isIdle) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #requireRoom(bytes: number): void {
    if (this.#isClosed) throw stopped();
    const isFull =
      this.#waiting.length >= waitingRecordsMax || this.#waitingBytes + bytes > waitingBytesMax;
    if (isFull) throw busy();
  }

  get #isIdle(): boolean {
    return this.#waiting.length === 0 && this.#own.length === 0 && this.#inFlight === 0;
  }

  #wantTurn(): void {
    if (this.#isTurnDue || this.#inFlight >= batchesInFlightMax) return;
    this.#isTurnDue = true;
    setImmediate(() => {
      this.#isTurnDue = false;
      if (this.#inFlight < batchesInFlightMax) this.#turn();
    });
  }

  #turn(): void {
    const taken = this.#take();
    const own = this.#own.splice(0, recordsPerTurnMax - taken.length);
    let batch: LedgerBatch;
    let [isDue, isTicked] = [false, false];
    const answers: Answer[] = [];
    try {
      batch = this.#ledger.begin();
      const hasRecords = taken.length > 0 || own.length > 0;
      const mayTell = this.#isTickDurable && this.#newsWaitMs <= 0;
      isDue = this.#isTickDue();
      if (isDue || (hasRecords && this.#isTimeOld)) this.#tick(batch);
      isTicked = batch.records.length === 1;
      for (const waiting of taken) answers.push(this.#judge(batch, waiting));
      for (const waiting of own) answers.push(this.#judgeOwn(batch, waiting));
      if (mayTell && this.#hasNews) {
        this.#newsPaidMs = Math.max(this.#newsPaidMs, this.#clock.monotonicMs()) + newsEveryMs;
        this.#tick(batch);
      }
    } catch (error) {
      this.#ledger.drop();
      this.#isFailing = true;
      for (const { reject } of [...taken, ...own]) reject(error);
      this.#afterTurn();
      return;
    }
    this.#isFailing = false;
    // Records that were refused are no reason to tell the time.
    if (batch.records.length === 1 && isTicked && !isDue) {
      this.#ledger.drop();
      batch = this.#ledger.begin();
    }
    this.#inFlight++;
    void this.#write(batch, answers);
    this.#wantNext();
  }

  async #write(batch: LedgerBatch, answers: readonly Answer[]): Promise<void> {
    try {
      const head =
        batch.records.length > 0 ? await this.#ledger.end(batch) : await this.#ledger.settled();
      for (const answer of answers) this.#reply(answer, head);
    } catch (error) {
      // What became of these records is not known: the author sends them again.
      for (const { waiting } of answers) waiting.reject(error);
    }
    this.#inFlight--;
    this.#afterTurn();
  }

  #afterTurn(): void {
    this.#wantNext();
    if (this.#isIdle) this.#drained?.();
    this.#scheduleTick();
  }

  #wantNext(): void {
    if (this.#waiting[0]?.isSigned !== undefined || this.#own.length > 0) this.#wantTurn();
  }

  /** In the order in which they came, up to the first whose signature is not checked yet. */
  #take(): readonly Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { isSigned, bytes: own } of this.#waiting) {
      const isEnough = count >= recordsPerTurnMax || bytes >= batchBytesMax;
      if (isEnough || isSigned === undefined) break;
      bytes += own;
      count++;
    }
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  #judge(batch: LedgerBatch, waiting: Waiting): Answer {
    const { record } = waiting;
    const { version } = record;
    const { author, n } = record.envelope;
    if (waiting.isSigned !== true) {
      return { waiting, version, seq: undefined, refusal: unsigned(author) };
    }
    const known = this.#ledger.view.author(author);
    if (known !== undefined && n <= known.n) return this.#repeated(batch, waiting);
    const refusal = this.#admit(record) ?? batch.judge(record).refusal;
    if (refusal !== undefined) return { waiting, version, seq: undefined, refusal };
    this.#recordsSinceTick++;
    return { waiting, version, seq: batch.nextSeq - 1 };
  }

  #judgeOwn(batch: LedgerBatch, waiting: OwnStatement): Answer {
    const { statement } = waiting;
    const prev = this.#ledger.view.head(statement)?.version;
    const record = this.#sign({ ...statement, prev }, Math.floor(this.#clock.nowMs()));
    const { version } = record;
    const { refusal } = batch.judge(record);
    if (refusal !== undefined) return { waiting, version, seq: undefined, refusal };
    this.#recordsSinceTick++;
    return { waiting, version, seq: batch.nextSeq - 1 };
  }

  /** A counter that is taken: by this very record, or by another of the same author. */
  #repeated(batch: LedgerBatch, waiting: Waiting): Answer {
    const { envelope, version, entry } = waiting.record;
    const seq = this.#ledger.view.sequenceOf(envelope.author, envelope.n);
    if (seq === undefined)
      throw new Error(`no record ${envelope.n} of ${envelope.author} is known`);
    const there =
      seq < batch.from ? this.#ledger.versionAt(seq) : batch.records[seq - batch.from]?.version;
    if (there === version) return { waiting, version, seq };
    this.#evidence.keep({ kind: 'equivocation', seq, entry });
    const refusal = new GridError<BcdbErrorCode>(
      'BCDB_EQUIVOCATION',
      `another record ${envelope.n} of this key is in the log at ${seq}`,
      {
        hint: 'was the key copied? one device, one key; take the next counter',
        details: { seq, version: there, n: envelope.n },
      },
    );
    return { waiting, version, seq: undefined, refusal };
  }

  #reply({ waiting, version, seq, refusal }: Answer, head: LogHead): void {
    if (refusal !== undefined) waiting.reject(refusal);
    else if (seq !== undefined) waiting.resolve({ seq, version, head });
  }

  /** Says what time it is, and what concerned readers so far. */
  #tick(batch: LedgerBatch): void {
    const { digest: state, feeds, at: last } = this.#ledger.fold;
    const at = this.#logClock.next(last);
    const payload: TickRecord = { at, feedsRoot: feeds.root(), state };
    const record = this.#sign(
      {
        ns: logNamespace,
        op: 'put',
        url: systemUrls.tick,
        obj: 'tick',
        payload: canonicalBytes(payload),
      },
      at,
    );
    const { refusal } = batch.judge(record);
    if (refusal !== undefined) throw refusal;
    this.#recordsSinceTick = 0;
    this.#concernedAtTick = feeds.concerned;
  }

  #sign(statement: Statement, t: number): CheckedRecord {
    const n = (this.#ledger.view.author(this.#key.publicKey.text)?.n ?? 0) + 1;
    return checkRecord(signRecord(this.#key, statement, { log: this.#ledger.log, n, t }));
  }

  /** Records need a newer time ahead of them. @throws BCDB_CLOCK_JUMPED */
  get #isTimeOld(): boolean {
    const { at } = this.#ledger.fold;
    return this.#logClock.next(at) - at >= tickEveryMs;
  }

  /** Whether records concern readers who learn of them by the next tick. */
  get #hasNews(): boolean {
    return this.#ledger.fold.feeds.concerned > this.#concernedAtTick;
  }

  /** Ticks for the sake of readers do not overtake each other: by one on its way no feed is served yet. */
  get #isTickDurable(): boolean {
    return this.#ledger.fold.feeds.tick < this.#ledger.head.size;
  }

  /** Time until the next tick for the sake of readers may be put, ms. */
  get #newsWaitMs(): number {
    return this.#newsPaidMs - (newsBurst - 1) * newsEveryMs - this.#clock.monotonicMs();
  }

  #isTickDue(): boolean {
    const now = this.#clock.nowMs();
    const deadline = this.#ledger.fold.nextDeadline;
    if (deadline !== undefined && deadline <= now) return true;
    return this.#recordsSinceTick > 0 && now - this.#ledger.fold.at >= tickEveryMs;
  }

  /** A tick follows records within a second, at once where they concern readers, and falls due with every deadline. */
  #scheduleTick(): void {
    this.#tickTimer?.cancel();
    this.#tickTimer = undefined;
    if (this.#isClosed) return;
    const { at, nextDeadline } = this.#ledger.fold;
    const dueAt = Math.min(
      nextDeadline ?? Number.POSITIVE_INFINITY,
      this.#recordsSinceTick > 0 ? at + tickEveryMs : Number.POSITIVE_INFINITY,
    );
    const mayTell = this.#hasNews && this.#isTickDurable;
    const newsMs = mayTell ? this.#newsWaitMs : Number.POSITIVE_INFINITY;
    const dueMs = Math.min(dueAt - this.#clock.nowMs(), newsMs);
    if (dueMs === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.max(this.#isFailing ? tickEveryMs : 1, dueMs);
    this.#tickTimer = this.#clock.setTimer(waitMs, () => this.#wantTurn());
  }
}

/** Records that one turn judges: a batch with room for a tick on either side. */
const recordsPerTurnMax = 998;

/** A record of another log says nothing about the counters of this one. */
function requireLog(actual: string, expected: string): void {
  if (actual === expected) return;
  throw new GridError<BcdbErrorCode>('BCDB_OTHER_LOG', `the record is of log ${actual}`, {
    details: { expected, actual },
  });
}

function unsigned(author: string): GridError<BcdbErrorCode> {
  return new GridError(
    'BCDB_SIGNATURE_INVALID',
    `this is no signature of ${author} over the envelope`,
  );
}

function busy(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_BUSY', 'too many records wait to be appended', {
    hint: 'send again in a moment',
    retryable: true,
  });
}

function stopped(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_LOG_STOPPED', 'the sequencer is closed', { retryable: true });
}
