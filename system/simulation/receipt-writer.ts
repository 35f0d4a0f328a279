import type { GridFold, NodeId, WorkloadId } from '@commongrid/model';
import { workloadIdOf } from '@commongrid/model';
import type { ContainerHost } from './container-host.ts';
import type { Outbox } from './outbox.ts';

export interface ReceiptWriterOptions {
  readonly node: NodeId;
  readonly host: ContainerHost;
  readonly outbox: Outbox;
}

/** What a node says it did for money: for how long it ran what it has a lock for. */
export class ReceiptWriter {
  readonly #options: ReceiptWriterOptions;
  /** Log time up to which each workload was told of, ms since 1970. */
  readonly #told = new Map<WorkloadId, number>();

  constructor(options: ReceiptWriterOptions) {
    this.#options = options;
  }

  /** @param at log time as the node knows it, ms since 1970 */
  write(view: GridFold, session: number, at: number): void {
    const { node, host, outbox } = this.#options;
    for (const { contract, items } of view.objects('grid.placement.1')) {
      for (const { role, replica, node: place, lock } of items) {
        if (place !== node || lock === undefined) continue;
        const workload = workloadIdOf(contract, role, replica);
        const isRunning = host.isRunning(workload);
        const since = this.#told.get(workload);
        if (isRunning) this.#told.set(workload, at);
        else this.#told.delete(workload);
        if (since === undefined || since >= at || !isRunning) continue;
        const healthySeconds = Math.floor((at - since) / 1000);
        outbox.say('grid.receipt.1', {
          ...{ node, workload, lock, session, fromMs: since, toMs: at, healthySeconds },
          usage: noUsage,
        });
      }
    }
  }

  /** The machine was off: what ran before it is not known for sure. */
  forget(): void {
    this.#told.clear();
  }
}

const noUsage = {
  ...{ cpuSeconds: 0, diskBytes: 0, receivedBytes: 0, sentBytes: 0 },
  memoryByteSeconds: '0' as never,
};
