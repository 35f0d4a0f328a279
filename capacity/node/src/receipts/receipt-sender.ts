import { closeOnce, delay, isGridError, silentLogger, systemClock } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { NodeId, WorkloadId } from '@commongrid/model';
import type { WorkloadSource } from '../ports.ts';
import type { ReceiptBook, WaitingReceipt } from './receipt-book.ts';

export interface ReceiptSenderOptions {
  readonly node: NodeId;
  readonly book: ReceiptBook;
  readonly source: Pick<WorkloadSource, 'say'>;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** Receipts that are looked at in one go. */
const batchMax = 100;
/** Pause after a failure, ms; it doubles up to the longest. */
const pauseFirstMs = 500;
const pauseMaxMs = 30_000;
/** Pause before what the rules do not take yet is told again, ms. */
const heldMs = 10_000;
/** How long a node that closes tries to tell the last ones, ms. The next agent tells the rest. */
const lastWordsMs = 2_000;

/** Tells the source all receipts, those of a workload in their order, however long that takes. */
export class ReceiptSender implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #options: ReceiptSenderOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  #fresh = Promise.withResolvers<void>();

  constructor(options: ReceiptSenderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    const running = this.#run(this.#closing.signal);
    this.close = closeOnce(async () => {
      this.#closing.abort();
      this.poke();
      await running;
      await this.#tellAll(AbortSignal.timeout(lastWordsMs)).catch(() => {});
    });
  }

  /** There may be something to tell. */
  poke(): void {
    this.#fresh.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    let pauseMs = pauseFirstMs;
    while (!signal.aborted) {
      this.#fresh = Promise.withResolvers();
      try {
        const isHeld = await this.#tellAll(signal);
        pauseMs = pauseFirstMs;
        await this.#rest(isHeld, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (pauseMs === pauseFirstMs) this.#logger.warn({ err: error }, 'no receipts can be told');
        await delay(pauseMs, { signal, clock: this.#clock }).catch(() => {});
        pauseMs = Math.min(pauseMaxMs, 2 * pauseMs);
      }
    }
  }

  /** Whether something has to be told later. */
  async #tellAll(signal: AbortSignal): Promise<boolean> {
    const { book } = this.#options;
    const held = new Set<WorkloadId>();
    let last = 0;
    for (;;) {
      const batch = book.waiting(last, batchMax);
      for (const one of batch) {
        last = one.seq;
        const { workload } = one.receipt;
        // What comes after one that is not taken yet would make it come too late.
        if (held.has(workload)) continue;
        if (await this.#tell(one, signal)) book.told(one.seq);
        else held.add(workload);
      }
      if (batch.length < batchMax) return held.size > 0;
    }
  }

  /** Whether it is done with. */
  async #tell({ receipt }: WaitingReceipt, signal: AbortSignal): Promise<boolean> {
    const { node, source } = this.#options;
    const obj = `${node}/${receipt.workload}`;
    try {
      await source.say({ url: 'grid.receipt.1', obj, value: { node, ...receipt } }, signal);
      return true;
    } catch (error) {
      if (!isGridError(error) || error.retryable || !refusals.has(error.code)) throw error;
      const { rule } = error.details;
      if (laterRules.has(rule)) return false;
      // An answer was lost: the log has it.
      if (rule !== 'RECEIPT_OVERLAPS') {
        this.#logger.warn({ err: error, receipt }, 'a receipt was refused');
      }
      return true;
    }
  }

  async #rest(isHeld: boolean, signal: AbortSignal): Promise<void> {
    if (!isHeld) return this.#fresh.promise;
    const over = new AbortController();
    const pause = delay(heldMs, {
      clock: this.#clock,
      signal: AbortSignal.any([signal, over.signal]),
    });
    await Promise.race([this.#fresh.promise, pause.catch(() => {})]);
    over.abort();
  }
}

/** Codes by which a database says no for good. */
const refusals: ReadonlySet<string> = new Set(['BCDB_RULE_BROKEN', 'BCDB_SCHEMA_MISMATCH']);

/** Rules that take it later: log time is behind the node's, or many wait for their farmer. */
const laterRules: ReadonlySet<unknown> = new Set(['RECEIPT_AHEAD', 'RECEIPT_TOO_MANY']);
