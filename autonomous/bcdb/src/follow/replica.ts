import { closeOnce, delay, GridError, isGridError, repeat } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import { trustOfLedger } from '../ledger/ledger-succession.ts';
import { batchBytesMax, batchRecordsMax } from '../ledger/ledger-batch.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { checkRecord } from '../record/checked-record.ts';
import type { CheckedRecord } from '../record/checked-record.ts';
import type { Entry } from '../record/entry.ts';
import type { Evidence } from '../sequencer/evidence.ts';
import type { SignaturePool } from '../sequencer/signature-pool.ts';
import { toBase64url } from '../tree/base64.ts';
import type { SignedHead } from '../signed-head.ts';
import { treeHasher } from '../tree/node-hasher.ts';
import { partingSize } from '../tree/succession.ts';
import { isSequencersDoing } from '../tree/verifier.ts';
import type { Trust, Verifier, VerifiedHead } from '../tree/verifier.ts';
import { extendedTrust, handedOver } from './handed-over.ts';
import type { SeenHead } from './head-check.ts';
import type { LogSource } from './log-source.ts';
import { MissingPayloads } from './missing-payloads.ts';

export interface ReplicaOptions {
  readonly ledger: Ledger;
  readonly source: LogSource;
  readonly signatures: SignaturePool;
  readonly verifier: Verifier;
  readonly evidence: Evidence;
  readonly logger: Logger;
  /** File whose being there says that state and projection are to be made anew. */
  readonly staleMark: string;
  /** Told of each head of the source up to which all records are here, before the next is asked for. */
  readonly onReached?: (signed: SignedHead) => Promise<void>;
}

/** Something in the log that the rules of this replica refuse: it did nothing here. */
export interface ReplicaAlarm {
  readonly seq: number;
  readonly reason: GridError;
}

/**
 * A full copy that trusts nobody: it verifies every signature, judges every record anew, and takes
 * in only what a signed checkpoint commits to.
 *
 * 1. Get the newest checkpoint, and hold it to the one seen before: it must be a continuation.
 * 2. Fetch a batch of entries. The root with them must be a beginning of the checkpoint's tree: then
 *    they are what the sequencer signed, whoever brought them.
 * 3. Check form, payload hashes and signatures.
 * 4. Judge them, and write them. A record that the rules refuse does nothing and raises an alarm; a
 *    tick that tells of another state stops the replica.
 * 5. See whether payloads that did not come were erased, see `MissingPayloads`.
 *
 * What contradicts itself is kept as evidence, and the replica halts where it is: it goes on
 * answering from what it verified. Only a handover by the admins of the log ends that. A checkpoint by
 * an unknown key makes it ask for handovers, too: it goes on under the new key, unless it has records
 * that were given up. Those nobody drops silently: it halts until the handover is adopted.
 */
export class Replica implements AsyncDisposable {
  readonly close: () => Promise<void>;
  /** Records that did nothing here, the last ones. */
  readonly alarms: ReplicaAlarm[] = [];
  readonly #handedOver = Promise.withResolvers<GridError>();
  readonly #options: ReplicaOptions;
  readonly #missing: MissingPayloads;
  #trust: Trust;
  readonly #stop = new AbortController();
  #halted: GridError | undefined;
  #seen: SeenHead | undefined;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.#missing = new MissingPayloads(options);
    this.#trust = trustOfLedger(options.ledger);
    void options.ledger.failed.then((failure) => (this.#halted ??= failure));
    const running = this.#run();
    this.close = closeOnce(async () => {
      this.#stop.abort();
      await running;
    });
  }

  /** Why it takes no more records; undefined while it follows. */
  get halted(): GridError | undefined {
    return this.#halted;
  }

  /**
   * Resolves with BCDB_HANDED_OVER once it halts because records that are here were given up: see
   * `adoptHandover`.
   */
  get handedOver(): Promise<GridError> {
    return this.#handedOver.promise;
  }

  /** Records whose payloads the source withholds, the first ones; it goes on asking for them. */
  get withheld(): readonly number[] {
    return this.#missing.withheld;
  }

  /** The newest verified head of the source. */
  get sourceHead(): VerifiedHead | undefined {
    return this.#seen?.head;
  }

  /**
   * That the sequencer said a short while ago that the newest head which this replica saw is the
   * newest there is: a head that is frozen, or withheld, grows old.
   * @throws BCDB_VIEW_STALE
   */
  requireFresh(ageMaxSeconds: number, nowMs: number = Date.now()): void {
    const timestamp = this.#seen?.head.timestamp;
    const ageSeconds = nowMs / 1000 - (timestamp ?? 0);
    if (timestamp !== undefined && ageSeconds <= ageMaxSeconds) return;
    throw new GridError<BcdbErrorCode>(
      'BCDB_VIEW_STALE',
      'the newest head that is known here is too old to act on',
      { retryable: true, details: { timestamp, ageMaxSeconds } },
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    await repeat(followEveryMs, () => this.#followOnce(signal), { signal });
  }

  async #followOnce(signal: AbortSignal): Promise<void> {
    const { ledger, source } = this.#options;
    try {
      if (this.#halted !== undefined && !(await this.#isRelieved(this.#halted, signal))) return;
      this.#missing.begin();
      const head = await this.#newestHead(signal);
      while (ledger.head.size < head.size) await this.#takeBatch(head, signal);
      await this.#reached();
      await this.#missing.look(head, signal);
      await source.waitForMore(ledger.head.size, signal);
    } catch (error) {
      await this.#fail(error, signal);
    }
  }

  async #fail(error: unknown, signal: AbortSignal): Promise<void> {
    const { logger } = this.#options;
    if (isGridError(error, 'BCDB_VALIDATOR_UNKNOWN')) this.#stand(error);
    else if (isGridError(error) && contradictions.has(error.code)) this.#halt(error);
    else if (!signal.aborted) logger.warn({ err: error }, 'the log cannot be followed now');
    const isWithheld = isGridError(error, 'BCDB_ENTRIES_WITHHELD');
    if (isWithheld) this.#missing.need(error);
    await delay(isWithheld ? withheldEveryMs : failedEveryMs, { signal });
  }

  async #reached(): Promise<void> {
    const { ledger, onReached } = this.#options;
    if (this.#seen !== undefined) await onReached?.({ head: ledger.head, note: this.#seen.note });
  }

  /** Phase 1. */
  async #newestHead(signal: AbortSignal): Promise<VerifiedHead> {
    const { source } = this.#options;
    const note = await source.checkpoint(signal);
    const head = await this.#verified(note, signal);
    const before = this.#seen ?? { head: this.#ownHead(), note: '' };
    await this.#requireContinuation(before, { head, note }, signal);
    this.#seen = { head, note };
    return head;
  }

  /** A key that is not known may be one that the log was handed over to. */
  async #verified(note: string, signal: AbortSignal): Promise<VerifiedHead> {
    const { verifier } = this.#options;
    try {
      return verifier.verifyCheckpoint(note, this.#trust);
    } catch (error) {
      if (!isGridError(error, 'BCDB_CHECKPOINT_UNSIGNED')) throw error;
      if (!(await this.#learn(signal))) throw error;
      return verifier.verifyCheckpoint(note, this.#trust);
    }
  }

  /**
   * Whether the source shows handovers that were not known here.
   * @throws BCDB_HANDED_OVER when records that are here were given up with one of them
   */
  async #learn(signal: AbortSignal): Promise<boolean> {
    const { source, ledger, logger } = this.#options;
    const succession = await source.succession(signal);
    const trust = extendedTrust(this.#trust, succession, logger);
    if (trust === this.#trust) return false;
    this.#trust = trust;
    this.#seen = undefined;
    if (ledger.head.size > this.#parting) throw this.#givenUp(succession);
    return true;
  }

  /** Size at which the log as it is known now leaves what is here; infinite when it does not. */
  get #parting(): number {
    const own = trustOfLedger(this.#options.ledger).handovers ?? [];
    return partingSize(own, this.#trust);
  }

  #givenUp(succession: unknown): GridError {
    const { size } = this.#options.ledger.head;
    return handedOver(
      `the log was handed over at ${this.#parting} records; this copy has ${size}`,
      'start the copy with --adopt-handover: what was given up is kept beside, and listed',
      { size, parting: this.#parting, succession },
    );
  }

  /** Whether a handover ended the contradiction that halted it. */
  async #isRelieved(halted: GridError, signal: AbortSignal): Promise<boolean> {
    if (standing.has(halted.code)) return false;
    await delay(haltedEveryMs, { signal });
    if (!(await this.#learn(signal))) return false;
    this.#options.logger.warn({ was: halted.code }, 'a handover ended what halted this replica');
    this.#halted = undefined;
    return true;
  }

  /** @throws BCDB_LOG_ROLLED_BACK, BCDB_LOG_FORKED, BCDB_HANDED_OVER */
  async #requireContinuation(
    before: SeenHead,
    newer: SeenHead,
    signal: AbortSignal,
  ): Promise<void> {
    const { source, verifier } = this.#options;
    const { head: older } = before;
    if (newer.head.size < older.size) throw contradiction('BCDB_LOG_ROLLED_BACK', before, newer);
    // Everything begins with nothing.
    if (older.size === 0) return;
    const path =
      newer.head.size === older.size
        ? []
        : await source.consistency(older.size, newer.head.size, signal);
    try {
      verifier.verifyConsistency(older, newer.head, path);
    } catch (error) {
      if (!isGridError(error)) throw error;
      // The last key forked the log, and the admins chose the other branch.
      if (this.#parting < Number.POSITIVE_INFINITY)
        throw this.#givenUp(await source.succession(signal));
      throw contradiction('BCDB_LOG_FORKED', before, newer);
    }
  }

  /** Phases 2 to 4. */
  async #takeBatch(head: VerifiedHead, signal: AbortSignal): Promise<void> {
    const { ledger } = this.#options;
    const from = ledger.nextSeq;
    const entries = await this.#fetch(from, head.size, signal);
    const root = ledger.rootWith(entries.map(({ leaf }) => treeHasher.leafHash(leaf)));
    const ours: VerifiedHead = { size: from + entries.length, root: toBase64url(root) };
    await this.#requireBeginning(ours, head, signal);
    const records = await this.#requireSigned(entries, from);
    const batch = ledger.begin();
    try {
      for (const record of records) batch.take(record);
    } catch (error) {
      ledger.drop();
      throw error;
    }
    for (const { seq, reason } of batch.refused) this.#alarm(seq, reason);
    await ledger.end(batch);
  }

  /** @throws BCDB_SOURCE_WRONG when the source gave other entries than it committed to */
  async #requireBeginning(
    ours: VerifiedHead,
    head: VerifiedHead,
    signal: AbortSignal,
  ): Promise<void> {
    const { source, verifier } = this.#options;
    const path =
      ours.size === head.size ? [] : await source.consistency(ours.size, head.size, signal);
    try {
      verifier.verifyConsistency(ours, head, path);
    } catch (error) {
      if (!isGridError(error)) throw error;
      throw new GridError<BcdbErrorCode>(
        'BCDB_SOURCE_WRONG',
        'the entries are not those that the sequencer signed',
        { retryable: true, details: { size: ours.size, root: ours.root }, cause: error },
      );
    }
  }

  async #fetch(from: number, size: number, signal: AbortSignal): Promise<readonly Entry[]> {
    const { source } = this.#options;
    const entries: Entry[] = [];
    let bytes = 0;
    const to = Math.min(size, from + batchRecordsMax);
    for await (const group of source.entries(from, to, signal)) {
      for (const entry of group) {
        entries.push(entry);
        bytes += entry.leaf.length + (entry.body?.length ?? 0);
      }
      if (entries.length >= to - from || bytes >= batchBytesMax) break;
    }
    if (entries.length === 0 || entries.length > to - from) {
      throw new GridError<BcdbErrorCode>('BCDB_SOURCE_WRONG', 'the source gave no such entries', {
        retryable: true,
        details: { from, to, count: entries.length },
      });
    }
    return entries;
  }

  /**
   * Form, payloads and signatures of what the sequencer committed to. What is no record, or not its
   * author's, convicts the sequencer; a payload that is another is the fault of the source.
   * @throws BCDB_SIGNATURE_INVALID, BCDB_ENVELOPE_INVALID, BCDB_BODY_MISMATCH
   */
  async #requireSigned(entries: readonly Entry[], from: number): Promise<readonly CheckedRecord[]> {
    const { signatures } = this.#options;
    const records = entries.map((entry) => checkRecord(entry, { mayBeErased: true }));
    const areSigned = await Promise.all(
      records.map(({ envelope, entry }) => signatures.check(envelope.author, entry.leaf)),
    );
    const unsigned = areSigned.indexOf(false);
    if (unsigned < 0) return records;
    throw new GridError<BcdbErrorCode>(
      'BCDB_SIGNATURE_INVALID',
      `record ${from + unsigned} was not signed by its author`,
      { details: { seq: from + unsigned } },
    );
  }

  #ownHead(): VerifiedHead {
    const { size, root } = this.#options.ledger.head;
    return { size, root: toBase64url(root) };
  }

  #alarm(seq: number, reason: GridError): void {
    this.#options.logger.error({ seq, err: reason }, 'a record in the log breaks the rules');
    this.alarms.push({ seq, reason });
    if (this.alarms.length > alarmsMax) this.alarms.shift();
  }

  /** It goes on once a release that knows the rules is started. */
  #stand(error: GridError): void {
    this.#halted = error;
    this.#options.logger.error({ err: error }, 'this release does not know the rules: it stands');
  }

  #halt(error: GridError): void {
    this.#halted = error;
    if (isGridError(error, 'BCDB_HANDED_OVER')) this.#handedOver.resolve(error);
    const { logger, evidence } = this.#options;
    logger.error({ err: error }, 'this replica takes no more records: it halts');
    evidence.keepContradiction(error, this.#seen?.note ?? '');
  }
}

/** Least time from one round of following to the next, ms: what comes meanwhile shares one. */
const followEveryMs = 50;

/** Time from a round that failed to the next, ms. */
const failedEveryMs = 200;

/** Time from one look for a handover to the next while it is halted, ms. */
const haltedEveryMs = 1000;

/** Time until it tries again to go on where the source withholds what it needs, ms. */
const withheldEveryMs = 1000;

/** Alarms that are kept to be shown. */
const alarmsMax = 1000;

/** What only another start ends. */
const standing: ReadonlySet<string> = new Set<BcdbErrorCode>([
  'BCDB_LOG_STOPPED',
  'BCDB_VALIDATOR_UNKNOWN',
]);

/** What no honest sequencer can cause. */
const contradictions: ReadonlySet<string> = new Set<BcdbErrorCode>([
  'BCDB_ENVELOPE_INVALID',
  'BCDB_FEEDS_DIFFER',
  'BCDB_HANDED_OVER',
  'BCDB_LOG_FORKED',
  'BCDB_LOG_ROLLED_BACK',
  'BCDB_SIGNATURE_INVALID',
  'BCDB_STATE_DIFFERS',
]);

function contradiction(
  code: BcdbErrorCode,
  { head: older, note: seen }: SeenHead,
  { head: newer, note: shown }: SeenHead,
): GridError<BcdbErrorCode> {
  const message =
    code === 'BCDB_LOG_FORKED'
      ? `the sequencer signed two logs that differ within the first ${older.size} records`
      : `the sequencer shows ${newer.size} records and signed ${older.size} before`;
  return new GridError(code, message, {
    hint: 'keep the evidence; only a handover by the admins of the log continues',
    details: {
      ...{ older, newer, seen, shown },
      // After a start the own head has no note: only the log here shows what was signed.
      isProven: seen !== '' && isSequencersDoing(older, newer),
    },
  });
}
