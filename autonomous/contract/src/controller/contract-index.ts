import { workloadParts } from '@commongrid/model';
import type { ContractId, GridFold, GridRecord, NodeId, RecordOf } from '@commongrid/model';
import type { Patience } from '../heal/node-watch.ts';
import { formerNodes } from '../heal/single-writer.ts';
import type { JournalSource, Lock } from './contract-journal.ts';
import type { ContractCase } from './look.ts';

/** Records that change nothing of what a controller makes of a contract, or do so only over time. */
const quietUrls: ReadonlySet<string> = new Set([
  ...['grid.adoption.1', 'grid.currency.1', 'grid.farm.1', 'grid.node.1', 'grid.presence.1'],
  ...['grid.receipt.1', 'grid.session.1', 'grid.settlement.1', 'grid.transfer.1'],
]);

const none: ReadonlyMap<ContractId, Patience> = new Map();

interface Known {
  readonly nodes: ReadonlySet<NodeId>;
  readonly patience: Patience;
}

/**
 * What a look has to go through, kept from one look to the next: which contracts a new record may have
 * changed, which of them are on a node, and the locks and slices of each.
 */
export class ContractIndex implements JournalSource {
  #fold: GridFold | undefined;
  #unwatch: () => void = () => {};
  #touched = new Set<ContractId>();
  /** Something changed that may matter to any of them. */
  #isAllTouched = true;
  readonly #known = new Map<ContractId, Known>();
  readonly #on = new Map<NodeId, Map<ContractId, Patience>>();
  readonly #wanted = new Map<NodeId, Patience>();
  readonly #locks = new Map<ContractId, Set<string>>();
  readonly #slices = new Map<ContractId, Set<string>>();
  /** Contracts that want to take the place of one. */
  readonly #successors = new Map<ContractId, Set<ContractId>>();

  /** Nodes that contracts run on, each with the least patience of these. */
  get wanted(): ReadonlyMap<NodeId, Patience> {
    return this.#wanted;
  }

  /** Contracts that run on a node, each with its patience. */
  contractsOn(node: NodeId): ReadonlyMap<ContractId, Patience> {
    return this.#on.get(node) ?? none;
  }

  /** Contracts that want to take the place of one, as far as their papers are here. */
  successorsOf(contract: ContractId): Iterable<ContractId> {
    return this.#successors.get(contract) ?? [];
  }

  *locksOf(contract: ContractId): Generator<Lock> {
    for (const id of this.#locks.get(contract) ?? []) {
      const lock = this.#fold?.current('grid.lock.1', id);
      if (lock !== undefined) yield lock;
    }
  }

  *slicesOf(contract: ContractId): Generator<RecordOf<'grid.slice.1'>> {
    for (const obj of this.#slices.get(contract) ?? []) {
      const slice = this.#fold?.current('grid.slice.1', obj);
      if (slice !== undefined) yield slice;
    }
  }

  /**
   * Takes in what came since the last look.
   * @param ids all contracts whose papers are here
   * @returns those of them that it may have changed
   */
  refresh(
    fold: GridFold,
    ids: readonly ContractId[],
    caseOf: (id: ContractId) => ContractCase | undefined,
  ): ReadonlySet<ContractId> {
    if (fold !== this.#fold) this.#follow(fold);
    const touched = new Set<ContractId>();
    for (const id of ids) {
      if (!this.#isAllTouched && !this.#touched.has(id) && this.#known.has(id)) continue;
      touched.add(id);
      this.#learn(fold, id, caseOf(id));
    }
    if (this.#known.size > ids.length) this.#drop(new Set(ids));
    this.#touched = new Set();
    this.#isAllTouched = false;
    return touched;
  }

  close(): void {
    this.#unwatch();
  }

  #follow(fold: GridFold): void {
    this.#unwatch();
    this.#fold = fold;
    for (const map of [this.#known, this.#on, this.#wanted, this.#locks, this.#slices]) map.clear();
    this.#successors.clear();
    for (const { id, contract } of fold.objects('grid.lock.1')) addTo(this.#locks, contract, id);
    for (const { node, workload, contract } of fold.objects('grid.slice.1')) {
      addTo(this.#slices, contract, `${node}/${workload}`);
    }
    this.#isAllTouched = true;
    this.#unwatch = fold.watch((record) => this.#note(record));
  }

  #note(record: GridRecord): void {
    if (quietUrls.has(record.url)) return;
    const id = this.#contractOf(record);
    if (id === undefined) {
      // An event of a node itself, perhaps; or who may do what has changed.
      this.#isAllTouched ||= record.url !== 'grid.event.1';
      return;
    }
    if (record.url === 'grid.lock.1') addTo(this.#locks, id, record.obj);
    if (record.url === 'grid.slice.1') addTo(this.#slices, id, record.obj);
    this.#touched.add(id);
    // An upgrade goes on by what becomes of the other of its two contracts.
    const replaces = this.#fold?.current('grid.contract.1', id)?.replaces;
    if (replaces !== undefined) this.#touched.add(replaces);
    for (const other of this.#successors.get(id) ?? []) this.#touched.add(other);
  }

  #contractOf({ url, obj, value }: GridRecord): ContractId | undefined {
    if (url === 'grid.contract.1' || url === 'grid.placement.1') return obj as ContractId;
    if (url === 'grid.lease.1') return obj.split('/', 1)[0] as ContractId;
    const { contract, workload, lock } = (value ?? {}) as Partial<Record<string, string>>;
    if (contract !== undefined) return contract as ContractId;
    if (workload !== undefined) return workloadParts(workload as never).contract;
    return lock === undefined ? undefined : this.#fold?.current('grid.lock.1', lock)?.contract;
  }

  #learn(fold: GridFold, id: ContractId, one: ContractCase | undefined): void {
    const header = fold.current('grid.contract.1', id);
    if (header?.replaces !== undefined) addTo(this.#successors, header.replaces, id);
    const items = fold.current('grid.placement.1', id)?.items ?? [];
    const nodes = new Set(items.map(({ node }) => node));
    if (one !== undefined && items.length < slotsOf(one)) {
      for (const node of formerNodes({ contract: id, fold }, one.units)) nodes.add(node);
    }
    const { suspectAfterMs = Infinity, replaceAfterMs = Infinity } = header?.heal ?? {};
    const patience = { suspectAfterMs, replaceAfterMs };
    const former = this.#known.get(id)?.nodes ?? new Set();
    this.#known.set(id, { nodes, patience });
    for (const node of former) if (!nodes.has(node)) this.#leave(node, id);
    for (const node of nodes) if (!former.has(node)) this.#enter(node, id, patience);
  }

  /** Papers of some contracts are here no more. */
  #drop(ids: ReadonlySet<ContractId>): void {
    for (const [id, { nodes }] of this.#known) {
      if (ids.has(id)) continue;
      this.#known.delete(id);
      for (const node of nodes) this.#leave(node, id);
    }
  }

  #enter(node: NodeId, id: ContractId, patience: Patience): void {
    const own = this.#on.get(node) ?? new Map<ContractId, Patience>();
    this.#on.set(node, own.set(id, patience));
    this.#wanted.set(node, least([patience, this.#wanted.get(node) ?? patience]));
  }

  #leave(node: NodeId, id: ContractId): void {
    const own = this.#on.get(node);
    own?.delete(id);
    if (own !== undefined && own.size > 0) {
      this.#wanted.set(node, least([...own.values()]));
      return;
    }
    this.#on.delete(node);
    this.#wanted.delete(node);
  }
}

function slotsOf({ units }: ContractCase): number {
  return units.reduce((sum, { slots }) => sum + slots.length, 0);
}

function least(all: readonly Patience[]): Patience {
  return {
    suspectAfterMs: Math.min(...all.map(({ suspectAfterMs }) => suspectAfterMs)),
    replaceAfterMs: Math.min(...all.map(({ replaceAfterMs }) => replaceAfterMs)),
  };
}

function addTo<Key, One>(all: Map<Key, Set<One>>, key: Key, one: One): void {
  const known = all.get(key);
  if (known === undefined) all.set(key, new Set([one]));
  else known.add(one);
}
