import { closeOnce, isGridError, silentLogger, systemClock } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { NodeId, WorkloadId } from '@commongrid/model';
import type { WorkloadSource } from '../ports.ts';
import { TellLoop } from '../tell-loop.ts';
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
/** Pause before what the rules do not take yet is told again, ms. */
const heldMs = 10_000;
/** How long a node that closes tries to tell the last ones, ms. The next agent tells the rest. */
const lastWordsMs = 2_000;

/** Tells the source all receipts, those of a workload in their order, however long that takes. */
export class ReceiptSender implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #options: ReceiptSenderOptions;
  readonly #logger: Logger;
  readonly #loop: TellLoop;

  constructor(options: ReceiptSenderOptions) {
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    this.#loop = new TellLoop({
      tell: async (signal) => ((await this.#tellAll(signal)) ? heldMs : Infinity),
      onFailure: (error, isFirst) => {
        if (isFirst) this.#logger.warn({ err: error }, 'no receipts can be told');
      },
      clock: options.clock ?? systemClock,
    });
    this.close = closeOnce(async () => {
      await this.#loop.close();
      await this.#tellAll(AbortSignal.timeout(lastWordsMs)).catch(() => {});
    });
  }

  /** There may be something to tell. */
  poke(): void {
    this.#loop.poke();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
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
}

/** Codes by which a database says no for good. */
const refusals: ReadonlySet<string> = new Set(['BCDB_RULE_BROKEN', 'BCDB_SCHEMA_MISMATCH']);

/** Rules that take it later: log time is behind the node's, or many wait for their farmer. */
const laterRules: ReadonlySet<unknown> = new Set(['RECEIPT_AHEAD', 'RECEIPT_TOO_MANY']);
