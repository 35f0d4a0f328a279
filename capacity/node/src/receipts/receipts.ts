import { closeOnce } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { GridFold, LockId, NodeId, UntoldReceipt, WorkloadId } from '@commongrid/model';
import type { Machine } from '../machine/machine.ts';
import type { WorkloadSource } from '../ports.ts';
import type { NodeState } from '../reconcile/node-state.ts';
import { observeWorkload } from './observe-workload.ts';
import { paidPlacesOn } from './paid-places.ts';
import { readCounters, readSamples } from './read-samples.ts';
import { ReceiptMeter } from './receipt-meter.ts';
import { ReceiptSender } from './receipt-sender.ts';

export interface ReceiptsOptions {
  readonly node: NodeId;
  readonly bootId: string;
  readonly state: NodeState;
  readonly machine: Machine;
  readonly view: GridFold;
  readonly source: WorkloadSource;
  /** Log time, ms since 1970; undefined before the source has given it to this process. */
  readonly logTimeMs: () => number | undefined;
  /** Time of one receipt, ms; default: an hour. */
  readonly everyMs?: number | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** What the node says of workloads that others pay its farmer for: counted, cut, and told. */
export class Receipts {
  readonly close: () => Promise<void>;
  readonly #options: ReceiptsOptions;
  readonly #meter: ReceiptMeter;

  /** @param options of which the meters were resumed by `resumeMeters` */
  constructor(options: ReceiptsOptions) {
    const { node, state, machine, source, logTimeMs, everyMs, logger, clock } = options;
    this.#options = options;
    const closing = new AbortController();
    const sender = new ReceiptSender({ node, book: state.receipts, source, logger, clock });
    this.#meter = new ReceiptMeter({
      ...{ state, logTimeMs, everyMs, clock },
      session: () => this.#session,
      observe: (id) => observeWorkload(state, machine, id, closing.signal),
      sample: (ids) => {
        const known = ids.flatMap((id) => state.workload(id)?.known ?? []);
        return readSamples(machine, known, closing.signal);
      },
      counters: async (id) => {
        const known = state.workload(id)?.known;
        return known && readCounters(machine, known);
      },
      onReceipts: () => sender.poke(),
      onError: (err) => logger.warn({ err }, 'what was healthy is counted later'),
    });
    this.close = closeOnce(async () => {
      closing.abort();
      await this.#meter.close();
      await sender.close();
    });
  }

  /** Records may have changed what is paid for. */
  follow(): void {
    const { view, node } = this.#options;
    this.#meter.follow(paidPlacesOn(view, node, (lock) => this.untold(lock)));
  }

  /** A run has ended, and nothing of it is taken away yet. */
  noteEnd(workload: WorkloadId): Promise<void> {
    return this.#meter.noteEnd(workload);
  }

  /** Receipts of a lock that the log may not have yet, in their order. */
  untold(lock: LockId): readonly UntoldReceipt[] {
    return this.#options.state.receipts.waitingFor(lock);
  }

  /** As the log has it, or will have it once the node could say it. */
  get #session(): number {
    const { view, node, bootId } = this.#options;
    const said = view.current('grid.session.1', `${node}/${bootId}`)?.n;
    return said ?? (view.node(node)?.session?.n ?? 0) + 1;
  }
}
