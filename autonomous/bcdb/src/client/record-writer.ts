import { GridError, isGridError } from '@commongrid/base/browser';
import { canonicalBytes } from '@commongrid/crypto/browser';
import type { JsonValue } from '@commongrid/crypto/browser';
import type { EntryText } from '../doors/record-text.ts';
import { encodeEntry } from '../doors/record-text.ts';
import type { BcdbErrorCode } from '../errors.ts';
import type { Entry } from '../record/entry.ts';
import type { RecordOp, TreeHead } from '../record/envelope.ts';
import { toBase64url } from '../tree/base64.ts';
import { browserPrimitives } from '../tree/browser-primitives.ts';
import { signEntry } from './signer.ts';
import type { Signer } from './signer.ts';
import { toGridError } from './wire-error.ts';

/** What the holder of a key says of an object. */
export interface ClientStatement {
  readonly ns: string;
  readonly op: RecordOp;
  readonly url: string;
  readonly obj: string;
  /** With `put`: what the object becomes; bytes are a sealed box. */
  readonly value?: JsonValue | Uint8Array;
  /** Version that it follows. Default: the newest, whatever that is. */
  readonly prev?: string;
}

/** Where a record stands in the log. */
export interface ClientReceipt {
  readonly seq: number;
  /** Version that the record made. */
  readonly version: string;
  readonly head: { readonly size: number; readonly root: string };
}

/** What the server says to one record. */
export type RecordAnswer = { readonly receipt: ClientReceipt } | { readonly error: GridError };

export interface RecordWriterOptions {
  readonly signer: Signer;
  readonly log: string;
  /** Counter of the key's last record. */
  readonly lastN: () => Promise<number>;
  /** The newest head that was verified. */
  readonly seen: () => TreeHead | undefined;
  /** Sends records; the same ones again give the same answers. */
  readonly send: (records: readonly EntryText[]) => Promise<readonly RecordAnswer[]>;
  /** Waits until no other process writes with the key; without one there is none. */
  readonly turn?: KeyTurn | undefined;
}

/** The right to count with a key, until it is disposed of; undefined where nobody can be kept out. */
export type KeyTurn = () => Promise<AsyncDisposable | undefined>;

/** Statements that wait to be sent; beyond it BCDB_BUSY. */
const waitingStatementsMax = 10_000;

/** Records of one request. */
const batchRecordsMax = 256;
/** Bytes of payloads of one request; a larger one goes alone. */
const batchBytesMax = 4 << 20;

/** How often a statement is signed again because its object or its type changed meanwhile. */
const repeatsMax = 16;

/** Types, objects and namespaces of which it is remembered how to sign for them. */
const knownMax = 10_000;

interface Job {
  readonly statement: ClientStatement;
  readonly payload: Uint8Array | undefined;
  repeats: number;
  readonly resolve: (receipt: ClientReceipt) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes as the holder of a key. What is said while a request is under way goes with the next one.
 *
 * A counter is given to one record only: as long as it is not known what became of a request, its
 * very bytes are sent again before anything else is signed.
 */
export class RecordWriter {
  readonly #options: RecordWriterOptions;
  #waiting: Job[] = [];
  #nextN: number | undefined;
  /** Sent, with no answer: to be settled first. */
  #unsettled: readonly EntryText[] = [];
  #isRunning = false;
  /** By `ns url obj`, and by `ns url`. */
  readonly #versions = new Map<string, string>();
  readonly #schemas = new Map<string, string>();
  /** Namespaces whose records have to say what their author saw. */
  readonly #seeing = new Set<string>();

  constructor(options: RecordWriterOptions) {
    this.#options = options;
  }

  /**
   * @throws BCDB_BUSY, and what the server refuses with. After BCDB_UNREACHABLE and BASE_ABORTED it
   * is not known whether it was written.
   */
  write(statement: ClientStatement, signal?: AbortSignal): Promise<ClientReceipt> {
    const { promise, resolve, reject } = Promise.withResolvers<ClientReceipt>();
    if (signal?.aborted === true) throw toGridError(signal.reason, signal);
    const onAbort = (): void => {
      this.#waiting = this.#waiting.filter((job) => job.reject !== reject);
      reject(toGridError(signal?.reason, signal));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#enqueue(statement, resolve, reject);
    return promise.finally(() => signal?.removeEventListener('abort', onAbort));
  }

  #enqueue(statement: ClientStatement, resolve: Job['resolve'], reject: Job['reject']): void {
    if (this.#waiting.length >= waitingStatementsMax) throw busy();
    const { value } = statement;
    const isBox = value instanceof Uint8Array || value === undefined;
    const payload = isBox ? value : canonicalBytes(value);
    this.#waiting.push({ statement, payload, repeats: 0, resolve, reject });
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // What is said in the same turn of the event loop goes together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      try {
        await this.#writeInTurn();
      } catch (error) {
        for (const { reject } of this.#waiting.splice(0)) reject(error);
      }
    }
    this.#isRunning = false;
  }

  /** Writes all that waits. @throws when the turn does not come */
  async #writeInTurn(): Promise<void> {
    const { turn } = this.#options;
    await using _turn = await turn?.();
    // Others may have counted on meanwhile.
    if (turn !== undefined) this.#nextN = undefined;
    while (this.#waiting.length > 0) {
      const jobs = this.#take();
      try {
        await this.#settle();
        await this.#send(jobs);
      } catch (error) {
        const known = toGridError(error, undefined);
        if (!isFateOpen(known)) this.#unsettled = [];
        for (const { reject } of jobs) reject(known);
      }
    }
  }

  #take(): readonly Job[] {
    let [count, bytes] = [0, 0];
    for (const { payload } of this.#waiting) {
      bytes += payload?.length ?? 0;
      if (count >= batchRecordsMax || (count > 0 && bytes > batchBytesMax)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  /** Finds out what became of an earlier request. */
  async #settle(): Promise<void> {
    if (this.#unsettled.length > 0) await this.#options.send(this.#unsettled);
    this.#unsettled = [];
    this.#nextN ??= (await this.#options.lastN()) + 1;
  }

  async #send(jobs: readonly Job[]): Promise<void> {
    const first = this.#nextN ?? 1;
    const signed: { readonly job: Job; readonly text: EntryText }[] = [];
    /** Versions that the records of this request make, for those behind them. */
    const made = new Map<string, string>();
    for (const job of jobs) {
      try {
        const entry = await this.#sign(job, first + signed.length, made);
        signed.push({ job, text: encodeEntry(entry) });
        made.set(nameOf(job.statement), versionOf(entry));
      } catch (error) {
        job.reject(error);
      }
    }
    if (signed.length === 0) return;
    const texts = signed.map(({ text }) => text);
    this.#unsettled = texts;
    this.#nextN = undefined;
    const answers = await this.#options.send(texts);
    this.#unsettled = [];
    const refused = answers.findIndex((answer) => 'error' in answer);
    this.#nextN = first + (refused < 0 ? signed.length : refused);
    const again = signed.flatMap(({ job }, index) => {
      const answer = answers[index];
      return answer !== undefined && this.#isToRepeat(job, answer, index) ? [job] : [];
    });
    this.#waiting = [...again, ...this.#waiting];
  }

  /** Tells who waits, unless the record is to be signed again. */
  #isToRepeat(job: Job, answer: RecordAnswer, index: number): boolean {
    if ('receipt' in answer) {
      remember(this.#versions, nameOf(job.statement), answer.receipt.version);
      job.resolve(answer.receipt);
      return false;
    }
    const { error } = answer;
    // Refused only because one before it was.
    if (isGridError(error, 'BCDB_COUNTER_GAP') && index > 0) return true;
    if (job.repeats < repeatsMax && this.#learn(job, error)) {
      job.repeats++;
      return true;
    }
    // Another program counts with this key too, or the log has failed: ask where it stands.
    if (/^BCDB_(?:COUNTER_GAP|EQUIVOCATION|LOG_)/.test(error.code)) this.#nextN = undefined;
    job.reject(error);
    return false;
  }

  /** Whether a refusal says what the record should have followed. */
  #learn({ statement }: Job, { code, details }: GridError): boolean {
    const { ns, url, prev } = statement;
    const { head, newest } = details;
    if (code === 'BCDB_CONFLICT' && prev === undefined) {
      const name = nameOf(statement);
      if (typeof head === 'string') remember(this.#versions, name, head);
      else this.#versions.delete(name);
      return true;
    }
    if (code === 'BCDB_SEEN_MISSING' && !this.#seeing.has(ns)) {
      if (this.#seeing.size >= knownMax) this.#seeing.clear();
      this.#seeing.add(ns);
      return true;
    }
    if (code === 'BCDB_SCHEMA_UNKNOWN' && typeof newest === 'string') {
      remember(this.#schemas, `${ns} ${url}`, newest);
      return true;
    }
    return false;
  }

  #sign(
    { statement, payload }: Job,
    n: number,
    made: ReadonlyMap<string, string>,
  ): ReturnType<typeof signEntry> {
    const { ns, op, url, obj, prev } = statement;
    const { signer, log, seen } = this.#options;
    return signEntry(signer, {
      log,
      n,
      ns,
      op,
      url,
      obj,
      prev: prev ?? made.get(nameOf(statement)) ?? this.#versions.get(nameOf(statement)),
      schema: op === 'put' ? this.#schemas.get(`${ns} ${url}`) : undefined,
      seen: this.#seeing.has(ns) ? seen() : undefined,
      payload,
    });
  }
}

function nameOf({ ns, url, obj }: ClientStatement): string {
  return `${ns} ${url} ${obj}`;
}

function versionOf({ leaf }: Entry): string {
  return toBase64url(browserPrimitives.hasher.leafHash(leaf));
}

/** Whether the records of a failed request may be in the log, or on their way there. */
export function isFateOpen({ code }: GridError): boolean {
  return ['BCDB_UNREACHABLE', 'BCDB_REPLY_INVALID', 'BCDB_INTERNAL', 'BASE_ABORTED'].includes(code);
}

function remember(map: Map<string, string>, key: string, value: string): void {
  if (map.size >= knownMax) map.clear();
  map.set(key, value);
}

function busy(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_BUSY', 'too many statements wait to be sent', {
    hint: 'wait for some to be answered',
    retryable: true,
  });
}
