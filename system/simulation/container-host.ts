import type { Timer } from '@commongrid/base';
import type {
  ContractRole,
  EventPhase,
  NodeId,
  SealedAssignment,
  WorkloadId,
} from '@commongrid/model';
import type { Machine } from './machine.ts';

/** Sees what truly runs where: what nobody inside the world can. */
export interface Witness {
  began(workload: WorkloadId, node: NodeId, role: ContractRole): void;
  ended(workload: WorkloadId, node: NodeId): void;
  deleted(workload: WorkloadId, node: NodeId, revision: number): void;
}

export interface ContainerHostOptions {
  readonly node: NodeId;
  readonly machine: Machine;
  readonly witness: Witness;
  /** How long the start and the stop of something take, ms. */
  readonly startMs: () => number;
  readonly stopMs: (role: ContractRole) => number;
  readonly onPhase: (workload: WorkloadId, revision: number, phase: EventPhase) => void;
}

/** What is wished of a workload. */
export type HostWish =
  | { readonly is: 'running'; readonly assignment: SealedAssignment }
  | { readonly is: 'paused' | 'stopped' | 'deleted' };

interface Container {
  readonly role: ContractRole;
  revision: number;
  state: 'starting' | 'running' | 'stopping';
  wish: HostWish;
  timer: Timer | undefined;
}

/** Processes and data of a simulated machine. Processes end with it, data stays. */
export class ContainerHost {
  readonly #options: ContainerHostOptions;
  readonly #containers = new Map<WorkloadId, Container>();
  readonly #data = new Set<WorkloadId>();

  constructor(options: ContainerHostOptions) {
    this.#options = options;
  }

  /** What has processes now, in whatever state. */
  get running(): ReadonlySet<WorkloadId> {
    return new Set(this.#containers.keys());
  }

  isRunning(workload: WorkloadId): boolean {
    return this.#containers.get(workload)?.state === 'running';
  }

  /** Brings a workload nearer to what is wished; again and again is the same as once. */
  wish(workload: WorkloadId, revision: number, wish: HostWish): void {
    const known = this.#containers.get(workload);
    if (known !== undefined) {
      known.wish = wish;
      known.revision = revision;
      if (wish.is === 'running' || known.state === 'stopping') return;
      this.#stop(workload, known);
    } else if (wish.is === 'running') this.#start(workload, wish.assignment);
    else if (wish.is === 'deleted' && this.#data.delete(workload)) {
      this.#options.witness.deleted(workload, this.#options.node, revision);
      this.#options.onPhase(workload, revision, 'deleted');
    }
  }

  /** The machine loses its power. */
  crash(): void {
    for (const [workload] of this.#containers)
      this.#options.witness.ended(workload, this.#options.node);
    this.#containers.clear();
  }

  #start(workload: WorkloadId, assignment: SealedAssignment): void {
    const { machine, witness, node, startMs, onPhase } = this.#options;
    const { role, revision } = assignment;
    const container: Container = {
      ...{ role, revision, state: 'starting', timer: undefined },
      wish: { is: 'running', assignment },
    };
    this.#containers.set(workload, container);
    onPhase(workload, revision, 'starting');
    container.timer = machine.setTimer(startMs(), () => {
      container.state = 'running';
      this.#data.add(workload);
      witness.began(workload, node, role);
      onPhase(workload, container.revision, 'running');
    });
  }

  #stop(workload: WorkloadId, container: Container): void {
    const { machine, witness, node, stopMs, onPhase } = this.#options;
    const wasRunning = container.state === 'running';
    container.timer?.cancel();
    container.state = 'stopping';
    container.timer = machine.setTimer(wasRunning ? stopMs(container.role) : 0, () => {
      this.#containers.delete(workload);
      if (wasRunning) witness.ended(workload, node);
      const { wish, revision } = container;
      if (wish.is === 'running') return this.#start(workload, wish.assignment);
      onPhase(workload, revision, wish.is === 'paused' ? 'paused' : 'stopped');
      if (wish.is === 'deleted') this.wish(workload, revision, wish);
    });
  }
}
