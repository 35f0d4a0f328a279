import { hash } from 'node:crypto';
import { GridError, isGridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../errors.ts';
import { signRecord } from './author.ts';
import type { Statement } from './author.ts';
import type { Entry } from './entry.ts';
import type { TreeHead } from './envelope.ts';

/** Statements of one author that wait to be signed; beyond it BCDB_BUSY. */
export const waitingStatementsMax = 10_000;

/** Records of one author that are signed and not answered. */
export const recordsInFlightMax = 1024;

/** How often a statement is signed again because others changed its object or namespace meanwhile. */
const conflictsMax = 16;

/** A version of an object, as its next author needs it. */
export interface Followed {
  /** Leaf hash of its record, base64url. */
  readonly version: string;
  /** False when it is a deletion. */
  readonly isLive: boolean;
}

/** Where a record came to stand, and what it came after. */
export interface Written<Receipt> {
  readonly receipt: Receipt;
  /** Undefined for an object that never was. */
  readonly followed: Followed | undefined;
}

export interface RecordAuthorOptions<Receipt> {
  readonly key: SigningKey;
  /** Hash of the genesis, base64url. */
  readonly log: string;
  /** Counter of the key's newest record in the log; 0 for a new key. */
  readonly lastN: () => number;
  /** Newest version of the statement's object. */
  readonly headOf: (statement: Statement) => Followed | undefined;
  /** Size and root of the log, where records of the namespace have to say what their author saw. */
  readonly seenFor: (ns: string) => TreeHead | undefined;
  /** Gives a record to the log, which judges records in the order of these calls. */
  readonly append: (entry: Entry) => Promise<Receipt>;
  readonly clock?: Clock;
}

/**
 * Signs the records of one key, and counts them. A key has one author at a time: two that count
 * apart would sign two records with one counter, which is held against the key for ever.
 *
 * Records do not wait for each other, so that many share one commit:
 *
 * 1. Each statement gets the next counter, follows the newest version of its object (that of a
 *    record still on its way too), and goes to the log.
 * 2. When the log refuses a record its counter is not used up, and the log refuses all that were
 *    sent after it for the gap. Nothing more is sent until every record on its way is answered: a
 *    counter is never given to a second record while the fate of the first is open.
 * 3. Those refused for the gap are signed again, in their order, from the counter that the log says.
 *
 * When the log fails, so that it is not known what became of a record, the author signs no more.
 */
export class RecordAuthor<Receipt> {
  readonly #options: RecordAuthorOptions<Receipt>;
  readonly #clock: Clock;
  #waiting: Job<Receipt>[] = [];
  /** Refused for a gap or a conflict: to be signed again, once nothing is on its way. */
  #again: Sent<Receipt>[] = [];
  /** Newest versions by records on their way, by the object's name. */
  readonly #heads = new Map<string, Followed>();
  #inFlight = 0;
  #inFlightMax = recordsInFlightMax;
  #nextN = 1;
  #isSettling = false;
  #failure: unknown;

  constructor(options: RecordAuthorOptions<Receipt>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  get keyText(): string {
    return this.#options.key.publicKey.text;
  }

  /**
   * Signs a statement and gives it to the log; resolves with the log's receipt. Without `prev` it
   * follows the newest version, whatever that is by then.
   * @throws BCDB_BUSY, BCDB_LOG_STOPPED, and what the log refuses
   */
  write(statement: Statement): Promise<Written<Receipt>> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) throw this.#stopped();
      if (this.#waiting.length >= waitingStatementsMax) throw busy();
      this.#waiting.push({ statement, conflicts: 0, resolve, reject });
      this.#send();
    });
  }

  #send(): void {
    let count = 0;
    while (!this.#isSettling && this.#inFlight < this.#inFlightMax) {
      const job = this.#waiting[count];
      if (job === undefined) break;
      count++;
      const isFirst = this.#inFlight === 0;
      if (isFirst) this.#nextN = this.#options.lastN() + 1;
      const sent = this.#sign(job, isFirst);
      if (sent === undefined) continue;
      this.#nextN++;
      this.#inFlight++;
      void this.#follow(sent);
    }
    if (count > 0) this.#waiting = this.#waiting.slice(count);
  }

  /** Undefined, and the caller was told, when the statement cannot be a record. */
  #sign(job: Job<Receipt>, isFirst: boolean): Sent<Receipt> | undefined {
    const { key, log, headOf, seenFor } = this.#options;
    const { statement } = job;
    const name = nameOf(statement);
    const followed = this.#heads.get(name) ?? headOf(statement);
    const prev = statement.prev ?? followed?.version;
    const seen = statement.seen ?? seenFor(statement.ns);
    const t = Math.floor(this.#clock.nowMs());
    try {
      const entry = signRecord(key, { ...statement, prev, seen }, { log, n: this.#nextN, t });
      const version = versionOf(entry);
      this.#heads.set(name, { version, isLive: statement.op === 'put' });
      return { job, name, entry, version, followed, n: this.#nextN, isFirst };
    } catch (error) {
      job.reject(error);
      return undefined;
    }
  }

  async #follow(sent: Sent<Receipt>): Promise<void> {
    const { job, name, entry, version, followed } = sent;
    try {
      const receipt = await this.#options.append(entry);
      this.#inFlightMax = Math.min(recordsInFlightMax, this.#inFlightMax + 1);
      job.resolve({ receipt, followed });
    } catch (error) {
      this.#refused(sent, error);
    }
    if (this.#heads.get(name)?.version === version) this.#heads.delete(name);
    this.#inFlight--;
    if (this.#isSettling && this.#inFlight === 0) this.#settle();
    this.#send();
  }

  #refused(sent: Sent<Receipt>, error: unknown): void {
    const { job, isFirst } = sent;
    // What is still on its way was signed for a counter or a version that will not be.
    this.#isSettling = true;
    if (!isRefusal(error)) {
      this.#failure ??= error;
      job.reject(error);
    } else if (error.code === 'BCDB_COUNTER_GAP' && !isFirst) {
      this.#again.push(sent);
    } else if (isOutrun(job.statement, error) && job.conflicts < conflictsMax) {
      job.conflicts++;
      this.#again.push(sent);
    } else {
      job.reject(error);
    }
  }

  /** Everything is answered: what was refused for its neighbours goes ahead of the line. */
  #settle(): void {
    this.#isSettling = false;
    this.#heads.clear();
    // Who is refused often sends fewer ahead: each of them is signed in vain.
    this.#inFlightMax = Math.max(inFlightLeast, this.#inFlightMax >> 1);
    const again = this.#again.toSorted((a, b) => a.n - b.n).map(({ job }) => job);
    this.#again = [];
    this.#waiting = [...again, ...this.#waiting];
    if (this.#failure === undefined) return;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#stopped());
  }

  #stopped(): GridError<BcdbErrorCode> {
    return new GridError('BCDB_LOG_STOPPED', 'the log has failed: open the database again', {
      retryable: true,
      cause: this.#failure,
    });
  }
}

/** How many are sent ahead when the log refuses much. */
const inFlightLeast = 4;

/** A statement for which somebody waits. */
interface Job<Receipt> {
  readonly statement: Statement;
  conflicts: number;
  readonly resolve: (written: Written<Receipt>) => void;
  readonly reject: (error: unknown) => void;
}

/** A record on its way. */
interface Sent<Receipt> {
  readonly job: Job<Receipt>;
  readonly name: string;
  readonly entry: Entry;
  readonly version: string;
  readonly followed: Followed | undefined;
  readonly n: number;
  /** Nothing was on its way when it was sent: a gap before it is nobody else's fault. */
  readonly isFirst: boolean;
}

/**
 * The object is another than the record follows, though its caller did not care which; or the
 * namespace was given rules meanwhile.
 */
function isOutrun({ prev, seen }: Statement, { code }: GridError): boolean {
  if (code === 'BCDB_SEEN_MISSING') return seen === undefined;
  return prev === undefined && code === 'BCDB_CONFLICT';
}

/** The log judged the record and did not take it; after other errors that is not known. */
function isRefusal(error: unknown): error is GridError {
  if (!isGridError(error)) return false;
  return error.code.startsWith('BCDB_') && !/^BCDB_(?:LOG|TREE)_/.test(error.code);
}

function nameOf({ ns, url, obj }: Statement): string {
  return `${ns} ${url} ${obj}`;
}

function versionOf({ leaf }: Entry): string {
  return hash('sha256', Buffer.concat([leafPrefix, leaf]), 'base64url');
}

const leafPrefix = Buffer.of(0);

function busy(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_BUSY', 'too many statements wait to be signed', {
    hint: 'send again in a moment',
    retryable: true,
  });
}
