import { delay, GridError, systemRandom } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';
import { SealingKey } from '@commongrid/crypto';
import { approvalHash, GridFold, workloadIdOf } from '@commongrid/model';
import type {
  Approval,
  BotId,
  ContractId,
  KeyText,
  LeaseName,
  LockId,
  Node,
  NodeId,
  RecordOf,
  RecordUrl,
} from '@commongrid/model';
import {
  examples,
  fakeId,
  fakeProof,
  FoldedGrid,
  found,
  installNode,
  settleFarm,
} from '@commongrid/model/testing';
import type { Actor } from '@commongrid/model/testing';
import { buildContract, Controller, readDirectory } from '../../src/index.ts';
import type {
  ContractPaper,
  ControllerPorts,
  Directory,
  HeardNode,
  HeldLease,
  LockWish,
} from '../../src/index.ts';

const startMs = 1_700_000_000_000;
const leaseTtlMs = 4_000;
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

interface Process {
  readonly controller: Controller;
  isDead: boolean;
  isCutOff: boolean;
  readonly key: KeyText;
}

/**
 * A grid in memory with a clock that stands still: farms, nodes that say they are healthy once they are
 * given something, leases and locks; and controllers, which can be killed.
 */
export class ControllerWorld {
  readonly clock = new ManualClock(startMs);
  readonly grid = new FoldedGrid();
  readonly ada = found(this.grid, 1, 'ada');
  readonly bob = found(this.grid, 2, 'bob');
  readonly eve = found(this.grid, 3, 'eve');
  readonly papers = new Map<ContractId, ContractPaper>();
  readonly nodes: NodeId[] = [];
  /** Nodes that are away, since when, ms of the monotonic clock. */
  readonly away = new Map<NodeId, number>();
  /** Nodes that answer a probe though they are away. */
  readonly answering = new Set<NodeId>();
  /** Farmers that give no locks. */
  readonly declining = new Set<BotId>();
  /** Controllers that were started, in order. */
  readonly processes: Process[] = [];
  probes = 0;
  /** Of a lock, an hour. */
  lockPrice = 1;
  #view = this.#emptyView();
  #viewed = 0;
  #locks = 0;
  readonly #leases = new Map<LeaseName, { process: Process | undefined; heldUntilMs: number }>();
  readonly #keys = new Map<NodeId, KeyText>();

  /** Ada has farm 1 in Belgium, bob farm 2 in Egypt, each with so many nodes; ada has some EUR. */
  constructor({ own = 3, rented = 0, funds = 1_000_000 } = {}) {
    settleFarm(this.grid, this.ada, 1, 'cellar');
    settleFarm(this.grid, this.bob, 2, 'attic');
    const attic = this.grid.fold.current('grid.farm.1', fakeId.farm(2));
    if (attic === undefined) throw new Error('there is no attic');
    this.put('grid.farm.1', this.bob.device, {
      ...attic,
      location: { ...attic.location, country: 'EG' },
    });
    for (let n = 0; n < own; n++) this.#install(this.ada, 1, 1001 + n);
    for (let n = 0; n < rented; n++) this.#install(this.bob, 2, 2001 + n);
    const issuer = this.eve.id;
    const limit = { code: 'EUR', name: 'EUR', decimals: 2, issuer };
    this.put('grid.currency.1', this.eve.device, limit);
    this.put('grid.transfer.1', this.eve.device, {
      ...{ id: fakeId.transfer(1), from: issuer, to: this.ada.id, currency: 'EUR' },
      ...{ amount: fakeId.amount(funds), expMs: startMs + 3_600_000 },
    });
  }

  /** A contract of ada, which she signs, unless it is to wait. */
  async contract(definition: object, { isSigned = true } = {}): Promise<ContractId> {
    const { draft, shards } = await buildContract(
      { name: 'shop', ...definition },
      {
        ...{ log: this.grid.log, owner: this.ada.id, controller: this.ada.device },
        ...{ at: this.at, folder: '/', draw: (count) => systemRandom.bytes(count) },
        resolveImage: async () => '',
        findBot: async () => undefined,
        findSeal: async () => undefined,
      },
    );
    const { id, header, openings, secrets } = draft;
    const file = { schema: 'grid.contract.draft.1', id, header, openings } as const;
    this.papers.set(id, { draft: { ...file, shards: Object.fromEntries(shards) }, secrets });
    this.put('grid.contract.1', this.ada.device, header);
    if (isSigned) this.approve(id, 'provision');
    return id;
  }

  approve(contract: ContractId, action: Approval['action'], change: Partial<Approval> = {}): void {
    const signer = this.ada.id;
    const replaces = this.grid.fold.current('grid.contract.1', contract)?.replaces;
    const former = action === 'upgrade' && replaces !== undefined ? { replaces } : {};
    const hash = approvalHash({ log: this.grid.log, contract, action, ...former });
    this.put('grid.approval.1', this.ada.device, {
      ...{ contract, signer, role: 'owner', action, hash, verdict: 'approve', ...former },
      ...{ expMs: this.at + 3_600_000, ...change },
    });
  }

  /** Log time, ms since 1970. */
  get at(): number {
    return startMs + this.clock.monotonicMs();
  }

  /** Appends what has to be accepted. */
  put<Url extends RecordUrl>(url: Url, author: string, value: RecordOf<Url>): void {
    this.grid.at = this.at;
    const { code } = this.grid.put(url, author, value);
    if (code !== undefined) throw new Error(`${url} is refused: ${code}`);
  }

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
    for (const lease of this.#leases.values()) {
      if (lease.process !== process) continue;
      lease.heldUntilMs = Math.min(lease.heldUntilMs, this.clock.monotonicMs() + leaseTtlMs);
    }
    await process.controller.close();
  }

  /** The database is not reached by a controller any more, which goes on. */
  cutOff(process: Process): void {
    process.isCutOff = true;
    for (const lease of this.#leases.values()) {
      if (lease.process === process) lease.heldUntilMs = this.clock.monotonicMs() + leaseTtlMs;
    }
  }

  rejoin(process: Process): void {
    process.isCutOff = false;
  }

  /** One more of ada. */
  addNode(): void {
    this.#install(this.ada, 1, 1001 + this.nodes.length);
  }

  lose(node: NodeId): void {
    this.away.set(node, this.clock.monotonicMs());
  }

  find(node: NodeId): void {
    this.away.delete(node);
  }

  placement(id: ContractId): RecordOf<'grid.placement.1'> | undefined {
    return this.grid.fold.current('grid.placement.1', id);
  }

  /** Nodes of the replicas of a role, by number. */
  placesOf(id: ContractId, role: string): readonly NodeId[] {
    const items = this.placement(id)?.items ?? [];
    const own = items.filter((item) => item.role === role);
    return own.toSorted((a, b) => a.replica - b.replica).map(({ node }) => node);
  }

  /** Records of a type that were accepted, in order. */
  accepted<Url extends RecordUrl>(url: Url): readonly RecordOf<Url>[] {
    const { records, fold } = this.grid;
    const own = records.filter((one) => one.url === url && !fold.refusals.has(one.seq));
    return own.map(({ value }) => value as RecordOf<Url>);
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
    this.#report();
    await this.clock.advance(ms);
    // Boxes are sealed on other threads.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }

  /** Nodes that are there tell that what they were given is healthy. */
  #report(): void {
    const { fold } = this.grid;
    for (const { contract, items } of fold.objects('grid.placement.1')) {
      for (const { role, replica, node, slice } of items) {
        const workload = workloadIdOf(contract, role, replica);
        const revision = fold.slice(slice)?.revision;
        const last = fold.current('grid.event.1', `${node}/${workload}`);
        if (this.away.has(node) || revision === undefined || last?.revision === revision) continue;
        const phase = this.unhealthy(workload) ? 'unhealthy' : 'healthy';
        const key = this.#keys.get(node) ?? '';
        this.put('grid.event.1', key, { node, workload, revision, phase, at: this.at });
      }
    }
  }

  /** Workloads that do not become healthy; tests say which. */
  unhealthy: (workload: string) => boolean = () => false;

  #install(owner: Actor, farm: number, n: number): void {
    const key = fakeId.key(n);
    const id = installNode(this.grid, owner, farm, n);
    this.#keys.set(id, key);
    this.nodes.push(id);
    const value: Node = {
      ...examples['grid.node.1'],
      ...{ id, farm: fakeId.farm(farm), name: `node-${n}` },
      features: ['containers', 'volumes', 'zdb'],
      seal: SealingKey.generate().publicKey.text as Node['seal'],
    };
    this.put('grid.node.1', key, value);
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
      probe: {
        answers: async ({ id }) => {
          this.probes++;
          return !this.away.has(id) || this.answering.has(id);
        },
      },
      leases: { acquire: (name, signal) => this.#acquire(process, name, signal) },
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
          this.#reap(process, reaper, false);
          this.grid.at = this.at;
          const { code } = this.grid.put(url, process.key, value);
          this.#reap(process, reaper, true);
          if (code === undefined) return;
          throw new GridError('BCDB_RULE_BROKEN', code, { details: { rule: code } });
        },
        directory: async (at) => {
          alive();
          return this.#directory(at);
        },
        node: async (id) => this.grid.fold.current('grid.node.1', id),
        presence: async (nodes) => {
          alive();
          return new Map(nodes.map((id) => [id, this.#heard(id)] as const));
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

  #viewNow(): GridFold {
    const { records, fold } = this.grid;
    const fresh = records.slice(this.#viewed).filter(({ seq }) => !fold.refusals.has(seq));
    this.#viewed = records.length;
    this.#view.add(fresh);
    return this.#view;
  }

  #heard(node: NodeId): HeardNode {
    const since = this.away.get(node);
    const silentMs = since === undefined ? 0 : this.clock.monotonicMs() - since;
    const standing = silentMs < 3_000 ? 'alive' : silentMs < 10_000 ? 'suspect' : 'gone';
    return { standing, silentMs };
  }

  #directory(at: number): Promise<Directory> {
    const { fold } = this.grid;
    return readDirectory(
      {
        find: async (_ns, { url }) => {
          const objects = [...fold.objects(url as RecordUrl)].map((value) => ({ value }));
          return { objects } as never;
        },
        read: async (path) => {
          const standing = new URL(path, 'http://x').searchParams.get('standing');
          const own = this.nodes.filter((node) => this.#heard(node).standing === standing);
          const nodes = own.map((node) => ({ node }));
          return { counts: { alive: own.length }, nodes } as never;
        },
      },
      at,
    );
  }

  async #acquire(process: Process, name: LeaseName, signal: AbortSignal): Promise<HeldLease> {
    for (;;) {
      if (process.isDead || signal.aborted) throw new GridError('BASE_ABORTED', 'gone');
      const known = this.#leases.get(name);
      const nowMs = this.clock.monotonicMs();
      if (known === undefined || nowMs >= known.heldUntilMs) break;
      await delay(tickMs, { clock: this.clock, signal });
    }
    const fence = (this.grid.fold.current('grid.lease.1', name)?.fence ?? 0) + 1;
    const entry = { process, heldUntilMs: Infinity };
    this.#leases.set(name, entry);
    this.put('grid.lease.1', process.key, { name, holder: process.key, fence, ttlMs: leaseTtlMs });
    const isHeld = (): boolean => {
      return !process.isDead && !process.isCutOff && this.#leases.get(name) === entry;
    };
    const letGo = async (): Promise<void> => {
      if (isHeld()) entry.heldUntilMs = this.clock.monotonicMs();
    };
    return { fence, isHeld, release: letGo, close: letGo };
  }

  #obtain({ contract, buyer, slot, node, farmer, resources, currency }: LockWish): LockId {
    if (this.declining.has(farmer)) throw new GridError('MARKET_DECLINED', 'not today');
    const open = [...this.grid.fold.objects('grid.lock.1')].find((lock) => {
      const isSlot = lock.slot.role === slot.role && lock.slot.replica === slot.replica;
      const isFree = this.grid.fold.money('escrow', lock.id)?.place === undefined;
      return isSlot && isFree && lock.node === node && this.at < lock.expiresMs;
    });
    if (open !== undefined) return open.id;
    const id = fakeId.lock(++this.#locks);
    this.put('grid.lock.1', this.bob.device, {
      ...{ id, contract, node, farmer, buyer, slot, resources },
      price: { amount: fakeId.amount(this.lockPrice), currency, perSeconds: 3_600 },
      ...{ minFund: fakeId.amount(1), disputeMs: 3_600_000, onDispute: 'refund' },
      expiresMs: this.at + 600_000,
    });
    return id;
  }
}
