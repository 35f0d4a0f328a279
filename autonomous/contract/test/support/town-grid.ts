import { systemRandom } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';
import { SealingKey } from '@commongrid/crypto';
import { approvalHash, workloadIdOf } from '@commongrid/model';
import type {
  Approval,
  ContractId,
  Event,
  KeyText,
  Node,
  NodeId,
  RecordOf,
  RecordUrl,
  WorkloadId,
} from '@commongrid/model';
import {
  examples,
  fakeId,
  FoldedGrid,
  found,
  installNode,
  settleFarm,
} from '@commongrid/model/testing';
import type { Actor } from '@commongrid/model/testing';
import { buildContract } from '../../src/index.ts';
import type { ContractPaper, HeardNode } from '../../src/index.ts';

/** Log time at which it begins, ms since 1970. */
export const startMs = 1_700_000_000_000;

/** A grid in memory: farms, and nodes that say they are healthy once they are given something. */
export class TownGrid {
  readonly clock = new ManualClock(startMs);
  readonly grid = new FoldedGrid();
  readonly ada = found(this.grid, 1, 'ada');
  readonly bob = found(this.grid, 2, 'bob');
  readonly eve = found(this.grid, 3, 'eve');
  readonly papers = new Map<ContractId, ContractPaper>();
  readonly nodes: NodeId[] = [];
  /** Nodes that are away, since when, ms of the monotonic clock. */
  readonly away = new Map<NodeId, number>();
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
        findBot: async (name) => this.grid.fold.bot(name)?.id,
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

  /** Nodes that are there tell how what they were given is, and what they were given before has ended. */
  report(): void {
    const { fold } = this.grid;
    const placed = new Set<string>();
    for (const { contract, items } of fold.objects('grid.placement.1')) {
      for (const { role, replica, node, slice } of items) {
        const workload = workloadIdOf(contract, role, replica);
        const revision = fold.slice(slice)?.revision;
        placed.add(`${node}/${workload}`);
        if (revision !== undefined) this.#say(node, workload, revision, this.says(workload, node));
      }
    }
    for (const event of [...fold.objects('grid.event.1')]) {
      const { node, workload, revision, phase } = event;
      const hasEnded = phase === 'stopped' || phase === 'refused';
      if (workload === undefined || placed.has(`${node}/${workload}`) || hasEnded) continue;
      if (!this.lingering.has(workload)) this.#say(node, workload, revision, { phase: 'stopped' });
    }
  }

  /** What a node says of what it was given; tests say otherwise. */
  says: (workload: string, node: NodeId) => Pick<Event, 'phase'> & Partial<Event> = (workload) => ({
    phase: this.unhealthy(workload) ? 'unhealthy' : 'healthy',
  });

  /** Workloads that do not become healthy; tests say which. */
  unhealthy: (workload: string) => boolean = () => false;

  /** Nodes live, and say nothing. */
  isMute = false;

  /** Workloads that do not end where they are placed no more. */
  readonly lingering = new Set<string>();

  /** The farmer takes a node out of service: it says so of itself, and of all that it runs. */
  drain(node: NodeId): void {
    const { says } = this;
    const own = this.grid.fold.current('grid.node.1', node);
    if (own === undefined) throw new Error('there is no such node');
    this.put('grid.node.1', this.#keys.get(node) ?? '', { ...own, isDraining: true });
    this.says = (workload, at) => {
      return at === node ? { ...says(workload, at), code: 'NODE_DRAINING' } : says(workload, at);
    };
  }

  /** Once, unless it says something else than before. */
  #say(
    node: NodeId,
    workload: WorkloadId,
    revision: number,
    word: Pick<Event, 'phase'> & Partial<Event>,
  ): void {
    const last = this.grid.fold.current('grid.event.1', `${node}/${workload}`);
    const isSaid =
      last?.revision === revision && last.phase === word.phase && last.code === word.code;
    if (this.isMute || this.away.has(node) || isSaid) return;
    const value = { node, workload, revision, at: this.at, ...word };
    this.put('grid.event.1', this.#keys.get(node) ?? '', value);
  }

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

  heard(node: NodeId): HeardNode {
    const since = this.away.get(node);
    const silentMs = since === undefined ? 0 : this.clock.monotonicMs() - since;
    const standing = silentMs < 3_000 ? 'alive' : silentMs < 10_000 ? 'suspect' : 'gone';
    return { standing, silentMs };
  }
}
