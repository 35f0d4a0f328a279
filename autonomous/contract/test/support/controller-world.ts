import { delay, GridError } from '@commongrid/base';
import { GridFold } from '@commongrid/model';
import type { BotId, ContractId, KeyText, LockId, NodeId, WorkloadId } from '@commongrid/model';
import { fakeId, fakeProof } from '@commongrid/model/testing';
import { Controller } from '../../src/index.ts';
import type { ControllerPorts, LockWish } from '../../src/index.ts';
import { directoryOf } from './directory-of.ts';
import { FakeLeases } from './fake-leases.ts';
import type { LeaseTaker } from './fake-leases.ts';
import { TownGrid } from './town-grid.ts';

/** Virtual time between two looks of a test at the world, ms. */
const tickMs = 100;

/** Ends a controller at its n-th append: before it is in the log, or after it and before the answer. */
export interface Reaper {
  left: number;
  readonly isAfter: boolean;
}

/** All replicas of a contract are where they should be, on nodes that are there, and healthy. */
export function runs(world: ControllerWorld, id: ContractId): boolean {
  const { status } =
    world.processes
      .at(-1)
      ?.controller.status()
      .find((one) => one.id === id) ?? {};
  const isThere = world.placement(id)?.items.every(({ node }) => !world.away.has(node)) === true;
  return isThere && status?.phase === 'running';
}

interface Process extends LeaseTaker {
  readonly controller: Controller;
}

/** A town in memory with leases and locks, and controllers, which can be killed. */
export class ControllerWorld extends TownGrid {
  /** Nodes that answer a probe though they are away. */
  readonly answering = new Set<NodeId>();
  /** Farmers that give no locks. */
  readonly declining = new Set<BotId>();
  /** What was spread over namespaces is not all where it should be. */
  isBeingRepaired = false;
  /** Workloads whose former namespaces have nothing any more that is needed. */
  readonly elsewhere = new Set<WorkloadId>();
  /** Nodes that came to have replicas of which nothing was made again yet. */
  readonly hollow = new Set<NodeId>();
  /** Controllers that were started, in order. */
  readonly processes: Process[] = [];
  probes = 0;
  /** What controllers keep for the next one; tests may take it away. */
  memory: unknown;
  /** For so long a placement is on its way to the log, ms. */
  placementDelayMs = 0;
  /** Of a lock, an hour. */
  lockPrice = 1;
  #view = this.#emptyView();
  #viewed = 0;
  #locks = 0;
  readonly #leases = new FakeLeases(this.clock, (lease) => {
    this.put('grid.lease.1', lease.holder, lease);
  });

  /** Starts a controller with this key, as a process that can be killed. */
  start({ key = this.ada.device, reaper }: { key?: KeyText; reaper?: Reaper } = {}): Process {
    const process: Process = {
      key,
      isDead: false,
      isCutOff: false,
      controller: undefined as never,
    };
    const ports = this.#portsFor(process, reaper);
    const controller = Controller.open({ ...ports, clock: this.clock });
    const started = Object.assign(process, { controller });
    this.processes.push(started);
    return started;
  }

  /** Ends a controller as a lost machine does: nothing of it has an effect any more. */
  async kill(process: Process): Promise<void> {
    process.isDead = true;
    this.#leases.silence(process);
    await process.controller.close();
  }

  /** The database is not reached by a controller any more, which goes on. */
  cutOff(process: Process): void {
    process.isCutOff = true;
    this.#leases.silence(process);
  }

  rejoin(process: Process): void {
    process.isCutOff = false;
  }

  codes(id: ContractId, process = this.processes.at(-1)): readonly string[] {
    const known = process?.controller.status().find((one) => one.id === id);
    return known?.blocked.map(({ code }) => code) ?? [];
  }

  /** Lets virtual time go on until something is so. */
  async until(
    what: string,
    isSo: () => boolean,
    { forMs = 120_000, everyMs = tickMs } = {},
  ): Promise<void> {
    for (let left = forMs; left >= 0; left -= everyMs) {
      if (isSo()) return;
      await this.#tick(everyMs);
    }
    const states = this.processes.map(({ controller }) => controller.status());
    throw new Error(`${what}: not after ${forMs} ms: ${JSON.stringify(states, undefined, 1)}`);
  }

  /** Lets virtual time go on. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= tickMs) await this.#tick(Math.min(left, tickMs));
  }

  /** Much time at once, in which no controller runs. @returns one that is started after it */
  async leap(ms: number): Promise<Process> {
    for (const process of this.processes) if (!process.isDead) await this.kill(process);
    await this.clock.advance(ms);
    return this.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.processes) if (!process.isDead) await process.controller.close();
  }

  async #tick(ms: number): Promise<void> {
    this.grid.at = this.at;
    this.report();
    await this.clock.advance(ms);
    // Boxes are sealed on other threads.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }

  #emptyView(): GridFold {
    return new GridFold({
      ...{ log: this.grid.log, releaseKeys: [], reader: this.ada.id },
      isProof: (key, payload, signature) => signature === fakeProof(key, payload),
    });
  }

  #portsFor(process: Process, reaper: Reaper | undefined): ControllerPorts {
    const alive = (): void => {
      if (process.isDead || process.isCutOff) throw new GridError('BCDB_UNREACHABLE', 'gone');
    };
    return {
      papers: { ids: () => [...this.papers.keys()], of: (id) => this.papers.get(id) },
      memory: {
        read: async () => this.memory,
        write: async (value) => {
          if (!process.isDead) this.memory = structuredClone(value);
        },
      },
      probe: {
        answers: async ({ id }) => {
          this.probes++;
          return !this.away.has(id) || this.answering.has(id);
        },
      },
      proposals: {
        owner: this.ada.id,
        keep: async (paper) => {
          alive();
          this.papers.set(paper.draft.id, paper);
        },
      },
      leases: { acquire: (name, signal) => this.#leases.acquire(process, name, signal) },
      dispersed: {
        isElsewhere: (workload) => this.elsewhere.has(workload),
        isBeingRepaired: () => this.isBeingRepaired,
        isHollow: (_workload, node) => this.hollow.has(node),
      },
      market: {
        obtain: async (wish) => {
          alive();
          return this.#obtain(wish);
        },
      },
      grid: {
        now: async () => {
          alive();
          return { fold: this.#viewNow(), at: this.at };
        },
        write: async ({ url, value }) => {
          alive();
          if (url === 'grid.placement.1') await this.#travel();
          this.#reap(process, reaper, false);
          this.beforeWrite(url);
          this.grid.at = this.at;
          const { code } = this.grid.put(url, process.key, value);
          this.#reap(process, reaper, true);
          if (code === undefined) return;
          throw new GridError('BCDB_RULE_BROKEN', code, { details: { rule: code } });
        },
        directory: async (at) => {
          alive();
          return directoryOf(this.grid.fold, this.nodes, (node) => this.heard(node), at);
        },
        node: async (id) => this.grid.fold.current('grid.node.1', id),
        presence: async (nodes) => {
          alive();
          return new Map(nodes.map((id) => [id, this.heard(id)] as const));
        },
        changed: (signal) =>
          new Promise<void>((resolve) => {
            signal.addEventListener('abort', () => resolve(), { once: true });
          }),
      },
    };
  }

  #reap(process: Process, reaper: Reaper | undefined, isAfter: boolean): void {
    if (reaper === undefined || reaper.isAfter !== isAfter || process.isDead) return;
    if (--reaper.left > 0) return;
    process.isDead = true;
    throw new GridError('BCDB_UNREACHABLE', 'the process was killed');
  }

  async #travel(): Promise<void> {
    const wayMs = this.placementDelayMs;
    if (wayMs > 0) await delay(wayMs, { clock: this.clock });
  }

  #viewNow(): GridFold {
    const { records, fold } = this.grid;
    const fresh = records.slice(this.#viewed).filter(({ seq }) => !fold.refusals.has(seq));
    this.#viewed = records.length;
    this.#view.add(fresh);
    return this.#view;
  }

  #obtain({ contract, buyer, slot, node, farmer, resources, currency }: LockWish): LockId {
    if (this.declining.has(farmer)) throw new GridError('MARKET_DECLINED', 'not today');
    const open = [...this.grid.fold.objects('grid.lock.1')].find((lock) => {
      const isSlot = lock.slot.role === slot.role && lock.slot.replica === slot.replica;
      const isFree = this.grid.fold.money('escrow', lock.id)?.place === undefined;
      const isPlace = isSlot && lock.contract === contract && lock.node === node;
      return isPlace && isFree && this.at < lock.expiresMs;
    });
    if (open !== undefined) return open.id;
    this.beforeLock(node);
    return this.giveLock({ contract, node, farmer, buyer, slot, resources, currency });
  }

  /** Called before a controller appends; tests throw where its record is lost, or refused. */
  beforeWrite: (url: string) => void = () => {};

  /** Called before bob gives a lock: another buyer may be quicker. */
  beforeLock: (node: NodeId) => void = () => {};

  /** Bob gives a lock. @throws where the log refuses it */
  giveLock({ currency, ...place }: Omit<LockWish, 'perMonthMax' | 'untilMs'>): LockId {
    const id = fakeId.lock(++this.#locks);
    this.put('grid.lock.1', this.bob.device, {
      ...{ id, ...place },
      price: { amount: fakeId.amount(this.lockPrice), currency, perSeconds: 3_600 },
      ...{ minFund: fakeId.amount(1), disputeMs: 3_600_000, onDispute: 'refund' },
      expiresMs: this.at + 600_000,
    });
    return id;
  }
}
