import {
  closeOnce,
  delay,
  GridError,
  isGridError,
  silentLogger,
  systemClock,
} from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { EventPhase, Workload, WorkloadId } from '@commongrid/model';
import type { Assignment } from '../assignment.ts';
import type { Driver, Remains } from '../driver.ts';
import type { NodeErrorCode } from '../errors.ts';
import { Admission } from './admission.ts';
import type { Room } from './admission.ts';
import { Dependencies } from './dependencies.ts';
import { FairGate } from './fair-gate.ts';
import type {
  NodeState,
  NumberedWorkloadEvent,
  WorkloadRow,
  WorkloadStanding,
} from './node-state.ts';
import { WorkloadActor } from './workload-actor.ts';
import type { ActorStatus } from './workload-actor.ts';
import { knownOf, wishId } from './wish.ts';
import type { KnownWorkload, Wish } from './wish.ts';

type Kind = Workload['kind'];

export interface ReconcilerOptions {
  readonly state: NodeState;
  readonly drivers: ReadonlyMap<Kind, Driver>;
  readonly capacity: Room;
  /** Gets every event, once it is kept. */
  readonly onEvent?: (event: NumberedWorkloadEvent) => void;
  /** A run has ended: called before anything of it is taken away, or told. It does not fail. */
  readonly onEnded?: (id: WorkloadId) => Promise<void>;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** A workload of the node as people see it. */
export type WorkloadStatus = WorkloadRow & ActorStatus;

/** Why something is not done. */
export interface Why {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly isRetryable: boolean;
}

/** Something on the machine that no workload of the node owns. */
export interface Orphan extends Remains {
  readonly kind: Kind;
}

/**
 * All workloads of a node: who is let in, and an actor for each that was. What is not wished for any
 * more, but was not told to stop either, goes on: a source that forgets something ends nothing.
 */
export class Reconciler implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly admission: Admission;
  readonly #options: ReconcilerOptions;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #gate = new FairGate({ insideMax: stepsMax, insideOfOneMax: stepsOfOneMax });
  readonly #actors = new Map<WorkloadId, WorkloadActor>();
  readonly #byKey = new Map<string, WorkloadActor>();
  readonly #dependencies = new Dependencies();
  readonly #refused = new Map<WorkloadId, string>();
  #service: Service = 'open';
  #isLetGo = false;
  #isClosed = false;

  constructor(options: ReconcilerOptions) {
    const { state, drivers, capacity, logger = silentLogger, clock = systemClock } = options;
    this.#options = options;
    this.#logger = logger;
    this.#clock = clock;
    this.admission = new Admission(capacity);
    this.#service = serviceIn(state);
    for (const row of state.workloads()) {
      this.admission.restore(row.known, dataOnly.has(row.phase) ? 'data' : 'whole');
      if (drivers.has(row.known.role.workload.kind)) this.#begin(row.known, row);
      else this.#logger.warn({ workload: row.known.id }, 'nothing here can look after it');
    }
    const watches = [...drivers.values()].map((driver) => driver.watch((key) => this.#poke(key)));
    this.close = closeOnce(async () => {
      this.#isClosed = true;
      for (const watch of watches) watch[Symbol.dispose]();
      const closing = [...this.#actors.values()].map((actor) => actor.close());
      // One that hangs in the kernel does not end; the next start finds what it left.
      const patience = new AbortController();
      const late = delay(closeLimitMs, { clock: this.#clock, signal: patience.signal });
      await Promise.race([Promise.all(closing), late.catch(() => {})]);
      patience.abort();
    });
  }

  get service(): Service {
    return this.#service;
  }

  /** One that is not open lets nothing new in. What is there stays until it is placed elsewhere. */
  set service(service: Service) {
    this.#service = service;
    this.#options.state.setFact(serviceFact, serviceFacts[service]);
    for (const actor of this.#actors.values()) actor.noteLeaving();
  }

  /** A node that its farm let go keeps what it has as well, and says that it has to leave. */
  set isLetGo(isLetGo: boolean) {
    if (isLetGo === this.#isLetGo) return;
    this.#isLetGo = isLetGo;
    for (const actor of this.#actors.values()) actor.noteLeaving();
  }

  /**
   * What verified records want, of all workloads that they speak of. New ones of one contract are
   * let in together, or none of them.
   */
  apply(wishes: readonly Wish[]): void {
    if (this.#isClosed) return;
    const { state } = this.#options;
    const fresh = new Map<string, Assignment[]>();
    const renewed: KnownWorkload[] = [];
    for (const wish of wishes) {
      const actor = this.#actors.get(wishId(wish));
      if (actor !== undefined) renewed.push(...this.#renew(actor, wish));
      else if (wish.is === 'running') {
        const { contract } = wish.assignment;
        fresh.set(contract, [...(fresh.get(contract) ?? []), wish.assignment]);
      }
    }
    if (renewed.length > 0) state.accept(renewed, this.#clock.nowMs());
    for (const assignments of fresh.values()) {
      if (!this.#admit(assignments)) continue;
      for (const assignment of assignments) {
        const actor = this.#begin(knownOf(assignment), state.standing(assignment.id));
        actor.wish = { is: 'running', assignment };
      }
    }
  }

  /**
   * Says that nothing new is started of a workload: once for each revision and code, though it is
   * tried again whenever records or room change. What runs of it goes on.
   */
  refuse({ id, revision }: Pick<KnownWorkload, 'id' | 'revision'>, why: Why): void {
    const said = `${revision} ${why.code}`;
    if (this.#refused.get(id) === said) return;
    this.#refused.set(id, said);
    const at = this.#clock.nowMs();
    this.#tell(
      this.#options.state.noteAside({ workload: id, revision, phase: 'refused', ...why, at }),
    );
  }

  /** Every workload, in the order in which they were accepted. */
  workloads(): readonly WorkloadStatus[] {
    return this.#options.state.workloads().map((row) => {
      const actor = this.#actors.get(row.known.id);
      return { ...row, ...(actor?.status ?? nobody) };
    });
  }

  /**
   * Ends what runs and begins it again at once. Resolves once it runs.
   * @throws NODE_WORKLOAD_UNKNOWN, NODE_RESTART_UNWANTED, NODE_RESTART_OVERTAKEN, and what its steps fail with
   */
  async restart(id: WorkloadId): Promise<void> {
    const actor = this.#actors.get(id);
    if (actor === undefined) throw unknownWorkload(id);
    await actor.restart();
  }

  /** What is on the machine and belongs to no workload of the node. */
  async orphans(signal: AbortSignal): Promise<readonly Orphan[]> {
    const all: Orphan[] = [];
    for (const [kind, driver] of this.#options.drivers) {
      const remains = await driver.list(signal);
      all.push(
        ...remains.filter(({ key }) => !this.#byKey.has(key)).map((one) => ({ kind, ...one })),
      );
    }
    return all;
  }

  /** Takes away what has no owner and holds no data. What holds data stays until people decide. */
  async collect(signal: AbortSignal): Promise<readonly Orphan[]> {
    const taken: Orphan[] = [];
    for (const orphan of await this.orphans(signal)) {
      const driver = this.#options.drivers.get(orphan.kind);
      if (orphan.dataBytes > 0 || driver === undefined || this.#byKey.has(orphan.key)) continue;
      await driver.release(orphan.key, { signal, progress: () => {} });
      taken.push(orphan);
    }
    return taken;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @returns what is to be remembered of it from now on */
  #renew(actor: WorkloadActor, wish: Wish): readonly KnownWorkload[] {
    if (actor.has(wish)) return [];
    if (wish.is === 'running') {
      // Stopped ones gave back all but their data's room.
      if (!this.#admit([wish.assignment])) return [];
    } else if (wish.is === 'stopped') this.admission.giveBack(wish.id, true);
    actor.wish = wish;
    return wish.is === 'running' ? [knownOf(wish.assignment)] : [];
  }

  /** Lets in what belongs together; says why not. */
  #admit(assignments: readonly Assignment[]): boolean {
    const { state } = this.#options;
    const all = assignments.map(knownOf);
    try {
      this.#requireOpen(all);
      this.admission.reserve(all);
    } catch (error) {
      if (!isGridError(error)) throw error;
      const { code, message, hint } = error;
      for (const known of all) this.refuse(known, { code, message, hint, isRetryable: true });
      return false;
    }
    const isNew = all.some(({ id }) => !this.#actors.has(id));
    if (!isNew) return true;
    const at = this.#clock.nowMs();
    state.accept(all, at);
    for (const { id, revision } of all) {
      this.#refused.delete(id);
      this.#tell(state.note({ workload: id, revision, phase: 'accepted', at }));
    }
    return true;
  }

  #requireOpen(all: readonly KnownWorkload[]): void {
    const { drivers } = this.#options;
    for (const known of all) {
      const { kind } = known.role.workload;
      if (!drivers.has(kind)) throw missing(kind);
      const twin = this.#byKey.get(known.key);
      if (twin !== undefined && twin !== this.#actors.get(known.id)) throw sameKey(known);
      if (this.#service !== 'open' && !this.#actors.has(known.id)) throw takesNothing();
    }
  }

  #begin(known: KnownWorkload, standing?: Pick<WorkloadStanding, 'phase' | 'code'>): WorkloadActor {
    const { state, drivers, clock } = this.#options;
    const driver = drivers.get(known.role.workload.kind);
    if (driver === undefined) throw missing(known.role.workload.kind);
    const actor = new WorkloadActor({
      ...{ known, driver, state, gate: this.#gate, logger: this.#logger },
      isReady: (assignment) => this.#dependencies.isReady(assignment),
      isFree: (one) => this.#dependencies.isFree(one),
      onEvent: (event) => this.#tell(event),
      onEnded: this.#options.onEnded,
      leaving: () => this.#whyLeaving(),
      onGone: () => this.#gone(known),
      ...(clock === undefined ? {} : { clock }),
    });
    this.#actors.set(known.id, actor);
    this.#byKey.set(known.key, actor);
    this.#dependencies.add(known, standing?.phase ?? 'accepted', standing?.code);
    return actor;
  }

  #whyLeaving(): Why | undefined {
    const isDraining = this.#service === 'draining';
    if (!isDraining && !this.#isLetGo) return undefined;
    const { code, message, hint, retryable } = isDraining ? takesNothing() : letGo();
    return { code, message, hint, isRetryable: retryable };
  }

  #gone(known: KnownWorkload): void {
    this.#actors.delete(known.id);
    this.#byKey.delete(known.key);
    this.#dependencies.remove(known.id);
    this.admission.giveBack(known.id, false);
  }

  #tell(event: NumberedWorkloadEvent): void {
    const { workload, phase, code } = event;
    if (phase !== 'refused') this.#dependencies.note(workload, phase, code);
    this.#options.onEvent?.(event);
    for (const id of this.#dependencies.neighboursOf(workload)) this.#actors.get(id)?.poke();
  }

  #poke(key: string): void {
    this.#byKey.get(key)?.poke();
  }
}

/** Of a workload that this machine has no driver for any more. */
const nobody: ActorStatus = {
  wish: undefined,
  progress: undefined,
  retryAtMs: undefined,
  isStuck: false,
  isSettled: true,
};

/** Steps that are taken at a time: preparing, starting. */
const stepsMax = 16;
/** Of them those of one tenant. */
const stepsOfOneMax = 8;
/** How long a close waits for actors, ms. */
const closeLimitMs = 15_000;

/**
 * `cordoned`: it lets nothing new in, and what runs stays. `draining`: what runs is to leave as well.
 */
export type Service = 'open' | 'cordoned' | 'draining';

/** How far the node was taken out of service, as its state has it. */
export function serviceIn(state: Pick<NodeState, 'fact'>): Service {
  const fact = state.fact(serviceFact);
  if (fact === serviceFacts.draining) return 'draining';
  return fact === serviceFacts.cordoned ? 'cordoned' : 'open';
}

const serviceFact = 'draining';
const serviceFacts: Readonly<Record<Service, string>> = {
  open: '',
  cordoned: 'cordoned',
  draining: 'yes',
};

function missing(kind: Kind): GridError<NodeErrorCode> {
  return new GridError('NODE_FEATURE_MISSING', `this node runs no workloads of kind ${kind}`, {
    hint: 'grid node doctor says what is missing',
    details: { kind },
  });
}

function sameKey({ id, key }: KnownWorkload): GridError<NodeErrorCode> {
  return new GridError('NODE_KEY_TAKEN', `another workload is called ${key} here`, {
    hint: 'place it on another node',
    details: { id, key },
  });
}

function takesNothing(): GridError<NodeErrorCode> {
  return new GridError('NODE_DRAINING', 'this node takes nothing new', {
    hint: 'place it on another node, or: grid uncordon',
    retryable: true,
  });
}

/** There is no such workload here. */
export function unknownWorkload(workload: string): GridError<NodeErrorCode> {
  return new GridError('NODE_WORKLOAD_UNKNOWN', `${workload} is not on this node`, {
    hint: 'see which it has: grid node workloads',
    details: { workload },
  });
}

function letGo(): GridError<NodeErrorCode> {
  return new GridError('NODE_LET_GO', 'its farm let this node go', {
    hint: 'place it on another node',
  });
}

/** In these phases only the data of a workload takes room. */
const dataOnly: ReadonlySet<EventPhase> = new Set(['stopped', 'paused', 'deleting']);
