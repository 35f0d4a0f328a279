import type { ContractRole, NodeId, WorkloadId } from '@commongrid/model';
import type { Witness } from './container-host.ts';

/** A promise that was broken, as nobody inside the world sees it. */
export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise';
}

/**
 * Knows what truly runs where at each moment. Two of a replica that must be one are a broken promise:
 * those with data of their own, and those that asked to stop when they are cut off.
 */
export class TrueWitness implements Witness {
  readonly #running = new Map<WorkloadId, Set<NodeId>>();
  readonly #mayDelete: (workload: WorkloadId, revision: number) => boolean;
  #broken: BrokenPromise | undefined;

  /** @param mayDelete whether the log has a tombstone for the data of a revision */
  constructor(mayDelete: (workload: WorkloadId, revision: number) => boolean) {
    this.#mayDelete = mayDelete;
  }

  /** @throws BrokenPromise the first that was seen */
  check(): void {
    if (this.#broken !== undefined) throw this.#broken;
  }

  /** Where a workload truly has processes. */
  nodesOf(workload: WorkloadId): ReadonlySet<NodeId> {
    return this.#running.get(workload) ?? new Set();
  }

  began(workload: WorkloadId, node: NodeId, role: ContractRole): void {
    const nodes = this.#running.get(workload) ?? new Set();
    this.#running.set(workload, nodes.add(node));
    const isSingle = role.data === 'local' || role.onIsolation === 'stop';
    if (isSingle && nodes.size > 1) {
      this.#break(`${workload} runs on ${[...nodes].join(' and ')}`);
    }
  }

  ended(workload: WorkloadId, node: NodeId): void {
    this.#running.get(workload)?.delete(node);
  }

  deleted(workload: WorkloadId, node: NodeId, revision: number): void {
    if (this.#mayDelete(workload, revision)) return;
    this.#break(`${node} deleted ${workload} without a tombstone for revision ${revision}`);
  }

  #break(what: string): void {
    this.#broken ??= new BrokenPromise(what);
  }
}
