import type { Timer } from '@commongrid/base';
import type {
  ContractRole,
  EventPhase,
  NodeId,
  SealedAssignment,
  WorkloadId,
} from '@commongrid/model';
import { steadyMs } from '@commongrid/node/testing';
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
  readonly onPhase: (
    workload: WorkloadId,
    revision: number,
    phase: EventPhase,
    code?: string,
  ) => void;
}

/** What is wished of a workload. */
export type HostWish =
  | { readonly is: 'running'; readonly assignment: SealedAssignment }
  | { readonly is: 'paused' | 'stopped' | 'deleted' };

/** Pause before something that could not start is tried again, ms. */
const retryMs = 5_000;

interface Container {
  readonly role: ContractRole;
  revision: number;
  state: 'starting' | 'running' | 'stopping';
  wish: HostWish;
  /** A probe found it healthy, or it ran for long enough. */
  isHealthy: boolean;
  timer: Timer | undefined;
}

/** Processes and data of a simulated machine. Processes end with it, data stays. */
export class ContainerHost {
  readonly #options: ContainerHostOptions;
  readonly #containers = new Map<WorkloadId, Container>();
  readonly #data = new Set<WorkloadId>();
  /** What had processes when the machine lost its power, or stands still: nobody was told that it stopped. */
  readonly #broken = new Set<WorkloadId>();
  /** Whether images of what is to start can be had. */
  hasImages = true;

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
    else if (wish.is !== 'paused' && this.#broken.delete(workload)) {
      this.#options.onPhase(workload, revision, 'stopped');
      this.wish(workload, revision, wish);
    } else if (wish.is === 'deleted' && this.#data.delete(workload)) {
      this.#options.witness.deleted(workload, this.#options.node, revision);
      this.#options.onPhase(workload, revision, 'deleted');
    }
  }

  /** The machine loses its power. */
  crash(): void {
    for (const [workload] of this.#containers) {
      this.#options.witness.ended(workload, this.#options.node);
      this.#broken.add(workload);
    }
    this.#containers.clear();
  }

  #start(workload: WorkloadId, assignment: SealedAssignment): void {
    const { machine, witness, node, startMs, onPhase } = this.#options;
    const { role, revision } = assignment;
    const container: Container = {
      ...{ role, revision, state: 'starting', timer: undefined, isHealthy: false },
      wish: { is: 'running', assignment },
    };
    this.#containers.set(workload, container);
    this.#broken.delete(workload);
    onPhase(workload, revision, 'starting');
    const begin = (): void => {
      if (!this.hasImages) {
        onPhase(workload, container.revision, 'failed', 'NODE_IMAGE_UNAVAILABLE');
        container.timer = machine.setTimer(retryMs, begin);
        return;
      }
      container.state = 'running';
      this.#data.add(workload);
      witness.began(workload, node, role);
      onPhase(workload, container.revision, 'running');
      this.#probe(workload, container);
    };
    container.timer = machine.setTimer(startMs(), begin);
  }

  /** Says again of all that runs that it does. */
  repeat(): void {
    for (const [workload, { state, revision, isHealthy }] of this.#containers) {
      if (state !== 'running') continue;
      this.#options.onPhase(workload, revision, isHealthy ? 'healthy' : 'running');
    }
  }

  /** What has a probe is healthy some time after it runs, anything else as soon as nodes say so. */
  #probe(workload: WorkloadId, container: Container): void {
    const { machine, startMs, onPhase } = this.#options;
    const { probe = 'process' } = container.role.health ?? {};
    container.timer = machine.setTimer(probe === 'process' ? steadyMs : startMs(), () => {
      container.isHealthy = true;
      onPhase(workload, container.revision, 'healthy');
    });
  }

  #stop(workload: WorkloadId, container: Container): void {
    const { machine, witness, node, stopMs, onPhase } = this.#options;
    const wasRunning = container.state === 'running';
    container.timer?.cancel();
    container.state = 'stopping';
    container.isHealthy = false;
    container.timer = machine.setTimer(wasRunning ? stopMs(container.role) : 0, () => {
      this.#containers.delete(workload);
      if (wasRunning) witness.ended(workload, node);
      const { wish, revision } = container;
      if (wish.is === 'running') return this.#start(workload, wish.assignment);
      onPhase(workload, revision, wish.is === 'paused' ? 'paused' : 'stopped');
      if (wish.is === 'paused') this.#broken.add(workload);
      if (wish.is === 'deleted') this.wish(workload, revision, wish);
    });
  }
}
