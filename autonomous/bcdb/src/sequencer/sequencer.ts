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
import { checkRecord } from '../record/checked-record.ts';
import type { CheckedRecord } from '../record/checked-record.ts';
import type { Entry } from '../record/entry.ts';
import { logNamespace, systemUrls } from '../record/system-records.ts';
import type { TickRecord } from '../record/system-records.ts';
import type { Evidence } from './evidence.ts';
import { LogClock, tickEveryMs } from './log-clock.ts';
import type { SignaturePool } from './signature-pool.ts';

/** Records that wait to be judged; beyond it appends are refused. */
export const waitingRecordsMax = 20_000;

/** Bytes of leaves and bodies that wait to be judged. */
export const waitingBytesMax = 256 << 20;

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

export interface SequencerOptions {
  readonly ledger: Ledger;
  readonly signatures: SignaturePool;
  readonly key: SigningKey;
  readonly evidence: Evidence;
  readonly clock?: Clock;
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
  readonly waiting: Waiting;
  readonly seq: number | undefined;
  readonly refusal?: GridError;
}

/**
 * Puts records in order. Only one works on a log at a time.
 *
 * 1. `append` checks form and payload hash, takes a place in the line, and has the signature checked
 *    in the pool.
 * 2. A turn takes what was checked, puts a tick ahead when log time is old, judges each record, and hands
 *    those accepted to the ledger as one batch.
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
  #waitingBytes = 0;
  #inFlight = 0;
  #isTurnDue = false;
  #isClosed = false;
  #tickTimer: Timer | undefined;
  #recordsSinceTick = 0;
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
    this.#scheduleTick();
  }

  /**
   * Appends a record; resolves once it is durable. The same record again gives the first receipt.
   * @throws BCDB_SIGNATURE_INVALID, BCDB_EQUIVOCATION, BCDB_BUSY and what the rules refuse
   */
  async append(entry: Entry): Promise<Receipt> {
    const record = checkRecord(entry);
    requireLog(record.envelope.log, this.#ledger.log);
    const bytes = entry.leaf.length + (entry.body?.length ?? 0);
    this.#requireRoom(bytes);
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { record, bytes, resolve, reject, isSigned: undefined };
      this.#waiting.push(waiting);
      this.#waitingBytes += bytes;
      this.#signatures.check(record.envelope.author, entry.leaf).then(
        (isSigned) => {
          waiting.isSigned = isSigned;
          this.#wantTurn();
        },
        (error: unknown) => {
          waiting.isSigned = false;
          reject(error);
          this.#wantTurn();
        },
      );
    });
  }

  /** The clock was looked at and is right. */
  confirmClock(): void {
    this.#logClock.confirm();
  }

  /** Refuses new records, waits for those taken in. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#tickTimer?.cancel();
    if (this.#waiting.length === 0 && this.#inFlight === 0) return;
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
    if (!isFull) return;
    throw new GridError<BcdbErrorCode>('BCDB_BUSY', 'too many records wait to be appended', {
      hint: 'send again in a moment',
      retryable: true,
    });
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
    let batch: LedgerBatch;
    const answers: Answer[] = [];
    try {
      batch = this.#ledger.begin();
      if (taken.length > 0 || this.#isTickDue()) this.#tick(batch, taken.length > 0);
      for (const waiting of taken) answers.push(this.#judge(batch, waiting));
    } catch (error) {
      this.#ledger.drop();
      for (const { reject } of taken) reject(error);
      this.#afterTurn();
      return;
    }
    this.#inFlight++;
    void this.#write(batch, answers);
    if (this.#waiting[0]?.isSigned !== undefined) this.#wantTurn();
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
    if (this.#waiting[0]?.isSigned !== undefined) this.#wantTurn();
    else if (this.#waiting.length === 0 && this.#inFlight === 0) this.#drained?.();
    this.#scheduleTick();
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
    const { author, n } = record.envelope;
    if (waiting.isSigned !== true) return { waiting, seq: undefined, refusal: unsigned(author) };
    const known = this.#ledger.view.author(author);
    if (known !== undefined && n <= known.n) return this.#repeated(batch, waiting);
    const { refusal } = batch.judge(record);
    if (refusal !== undefined) return { waiting, seq: undefined, refusal };
    this.#recordsSinceTick++;
    return { waiting, seq: batch.nextSeq - 1 };
  }

  /** A counter that is taken: by this very record, or by another of the same author. */
  #repeated(batch: LedgerBatch, waiting: Waiting): Answer {
    const { envelope, version, entry } = waiting.record;
    const seq = this.#ledger.view.sequenceOf(envelope.author, envelope.n);
    if (seq === undefined)
      throw new Error(`no record ${envelope.n} of ${envelope.author} is known`);
    const there =
      seq < batch.from ? this.#ledger.versionAt(seq) : batch.records[seq - batch.from]?.version;
    if (there === version) return { waiting, seq };
    this.#evidence.keep({ kind: 'equivocation', seq, entry });
    const refusal = new GridError<BcdbErrorCode>(
      'BCDB_EQUIVOCATION',
      `another record ${envelope.n} of this key is in the log at ${seq}`,
      {
        hint: 'was the key copied? one device, one key; take the next counter',
        details: { seq, version: there, n: envelope.n },
      },
    );
    return { waiting, seq: undefined, refusal };
  }

  #reply({ waiting, seq, refusal }: Answer, head: LogHead): void {
    if (refusal !== undefined) waiting.reject(refusal);
    else if (seq !== undefined) {
      waiting.resolve({ seq, version: waiting.record.version, head });
    }
  }

  /** Log time ahead of records when it is old, and at deadlines. */
  #tick(batch: LedgerBatch, hasRecords: boolean): void {
    const last = this.#ledger.fold.at;
    const at = this.#logClock.next(last);
    if (hasRecords && at - last < tickEveryMs && !this.#isTickDue()) return;
    const { digest: state, feeds } = this.#ledger.fold;
    const payload: TickRecord = { at, feedsRoot: feeds.root(), state };
    const n = (this.#ledger.view.author(this.#key.publicKey.text)?.n ?? 0) + 1;
    const entry = signRecord(
      this.#key,
      {
        ns: logNamespace,
        op: 'put',
        url: systemUrls.tick,
        obj: 'tick',
        payload: canonicalBytes(payload),
      },
      { log: this.#ledger.log, n, t: at },
    );
    const { refusal } = batch.judge(checkRecord(entry));
    if (refusal !== undefined) throw refusal;
    this.#recordsSinceTick = 0;
  }

  #isTickDue(): boolean {
    const now = this.#clock.nowMs();
    const deadline = this.#ledger.fold.nextDeadline;
    if (deadline !== undefined && deadline <= now) return true;
    return this.#recordsSinceTick > 0 && now - this.#ledger.fold.at >= tickEveryMs;
  }

  /** A tick follows records within a second, and falls due with every deadline. */
  #scheduleTick(): void {
    this.#tickTimer?.cancel();
    this.#tickTimer = undefined;
    if (this.#isClosed) return;
    const { at, nextDeadline } = this.#ledger.fold;
    const dueAt = Math.min(
      nextDeadline ?? Number.POSITIVE_INFINITY,
      this.#recordsSinceTick > 0 ? at + tickEveryMs : Number.POSITIVE_INFINITY,
    );
    if (dueAt === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.max(1, dueAt - this.#clock.nowMs());
    this.#tickTimer = this.#clock.setTimer(waitMs, () => this.#wantTurn());
  }
}

/** Records that one turn judges: a batch with room for a tick. */
const recordsPerTurnMax = 999;

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

function stopped(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_LOG_STOPPED', 'the sequencer is closed', { retryable: true });
}
