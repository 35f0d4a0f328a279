import type { AccountId, ContractId, NodeId } from '../fields.ts';
import type { Lock } from '../records/lock.ts';
import type { Slice } from '../records/slice.ts';
import { everyone } from './concerns-view.ts';
import type { ConcernsView, ReaderId } from './concerns-view.ts';
import { buriedRevision } from './grid-view.ts';
import { namesIn } from './names-in.ts';
import type { NamedId } from './names-in.ts';

/** Collects readers, each once, by what they have to do with an id. */
export class Readers {
  readonly #view: ConcernsView;
  readonly #at: number;
  readonly #found = new Set<ReaderId>();
  readonly #entered = new Set<string>();

  constructor(view: ConcernsView, at: number) {
    this.#view = view;
    this.#at = at;
  }

  /** All of them; where everyone is concerned, nobody needs to be named. */
  sorted(): readonly ReaderId[] {
    return this.#found.has(everyone) ? [everyone] : [...this.#found].toSorted();
  }

  /** Whether something is looked at for the first time: who decides over whom may go in circles. */
  enters(what: string): boolean {
    if (this.#entered.has(what)) return false;
    this.#entered.add(what);
    return true;
  }

  addEveryone(): void {
    this.#found.add(everyone);
  }

  /** Holder of a key. */
  addKey(key: string): void {
    const holder = this.#view.holderOf(key);
    if (holder !== undefined) this.#found.add(holder);
  }

  /** Who an id stands for: itself, or the people behind it. */
  addNamed(kind: NamedId['kind'], id: string): void {
    if (!this.enters(id)) return;
    if (kind === 'bot') this.#found.add(id as ReaderId);
    if (kind === 'key') this.addKey(id);
    if (kind === 'node') this.#addNode(id);
    if (kind === 'farm') this.#addOwner(id);
    if (kind === 'contract') this.#addPeople(id);
    if (kind === 'lock') {
      this.#addLock(this.#view.current('grid.lock.1', id));
      this.#addPayee(this.#view.current('grid.escrow.1', id)?.from);
    }
    if (kind === 'account') {
      this.#found.add(id as ReaderId);
      for (const bot of this.#view.current('grid.account.1', id)?.signers ?? [])
        this.#found.add(bot);
    }
    if (kind === 'transfer') {
      const transfer = this.#view.current('grid.transfer.1', id);
      this.#addPayee(transfer?.from);
      this.#addPayee(transfer?.to);
    }
  }

  /**
   * Nodes with a part of a contract: an open lock, a place, or a slice that no tombstone covers. Also
   * those of the contract that it replaces, and of those that replace it: an upgrade, or the way back,
   * ends the one by starting the other.
   */
  addHosts(contract: string): void {
    if (!this.enters(`hosts ${contract}`)) return;
    this.#addOwnHosts(contract);
    const replaced = this.#view.current('grid.contract.1', contract)?.replaces;
    if (replaced !== undefined) this.#addOwnHosts(replaced);
    for (const other of this.#view.naming('grid.contract.1', contract)) this.#addOwnHosts(other);
  }

  #addOwnHosts(contract: string): void {
    for (const { node } of this.#locksOf(contract)) this.#addNode(node);
    const placement = this.#view.current('grid.placement.1', contract);
    for (const { node } of placement?.items ?? []) this.#addNode(node);
    for (const { node } of this.#slices(contract)) this.#addNode(node);
  }

  /** Nodes that have, or had, a slice of the workload that the payload is about. */
  addSliced(contract: string, payload: unknown): void {
    const workload = typeof payload === 'string' ? payload : workloadOf(payload);
    for (const slice of this.#slices(contract)) {
      if (slice.workload === workload) this.#addNode(slice.node);
    }
  }

  /** Nodes that the farm adopted, and those that ask it to. */
  addNodesOf(farm: string): void {
    for (const node of this.#view.naming('grid.adoption.1', farm)) this.#found.add(node as NodeId);
    for (const node of this.#view.naming('grid.node.1', farm)) this.#found.add(node as NodeId);
  }

  /** People of the contracts that have a part on a node. */
  addContractsOn(node: string): void {
    for (const contract of this.#contractsOn(node)) this.#addPeople(contract);
  }

  /** The node whose capacity a lock keeps. */
  addLockNode(id: string): void {
    const lock = this.#view.current('grid.lock.1', id);
    if (lock === undefined) return;
    this.#addNode(lock.node);
    this.#addPeople(lock.contract);
  }

  /** Whoever relies on the word of a bot, given by its id or by one of its keys. */
  addReliant(id: string): void {
    this.addNamed(id.startsWith('bot:') ? 'bot' : 'key', id);
    for (const farm of this.#view.naming('grid.farm.1', id)) this.addNodesOf(farm);
    for (const contract of this.#view.naming('grid.contract.1', id)) this.#addContract(contract);
    for (const lease of this.#view.naming('grid.lease.1', id)) {
      this.#addContract(lease.split('/', 1)[0] ?? lease);
    }
    for (const lock of this.#view.naming('grid.lock.1', id)) {
      if (!this.#isOpen(this.#view.current('grid.lock.1', lock))) continue;
      this.addNamed('lock', lock);
      this.addLockNode(lock);
    }
  }

  /** Bots whose root this key may help to replace, or asked for that while it could. */
  *guardedBy(key: string): Iterable<string> {
    yield* this.#view.naming('grid.bot.1', key);
    for (const obj of this.#view.naming('grid.recovery.1', key)) {
      const recovery = this.#view.current('grid.recovery.1', obj);
      if (recovery?.by === key) yield recovery.bot;
    }
  }

  /** Bots behind an account: what comes back to it they must hear of. */
  #addPayee(account: AccountId | undefined): void {
    for (const { kind, id } of namesIn(account)) this.addNamed(kind, id);
  }

  #addContract(contract: string): void {
    this.#addPeople(contract);
    this.addHosts(contract);
  }

  /** Owner, signers, controllers and keepers of a contract, and the farmers with open locks. */
  #addPeople(contract: string): void {
    const header = this.#view.current('grid.contract.1', contract);
    for (const { kind, id } of namesIn(header)) {
      if (kind === 'bot' || kind === 'key') this.addNamed(kind, id);
    }
    for (const lock of this.#locksOf(contract)) {
      this.#addLock(lock);
      // Signers of an account see by its feed what comes of the place that it pays for.
      const from = this.#view.current('grid.escrow.1', lock.id)?.from;
      if (from?.startsWith('account:') === true) this.#found.add(from);
    }
  }

  #addLock(lock: Lock | undefined): void {
    for (const { kind, id } of namesIn(lock)) {
      if (kind === 'bot') this.#found.add(id as ReaderId);
    }
  }

  /** A node, and the owner of the farm that it belongs to. */
  #addNode(node: string): void {
    this.#found.add(node as ReaderId);
    const farm = this.#view.current('grid.adoption.1', node)?.farm;
    if (farm !== undefined) this.#addOwner(farm);
  }

  #addOwner(farm: string): void {
    const owner = this.#view.current('grid.farm.1', farm)?.owner;
    if (owner !== undefined) this.#found.add(owner);
  }

  #contractsOn(node: string): ReadonlySet<ContractId> {
    const contracts = new Set<ContractId>();
    for (const obj of this.#view.naming('grid.lock.1', node)) {
      const lock = this.#view.current('grid.lock.1', obj);
      if (lock !== undefined && this.#isOpen(lock)) contracts.add(lock.contract);
    }
    for (const obj of this.#view.naming('grid.placement.1', node)) contracts.add(obj as ContractId);
    for (const obj of this.#view.naming('grid.slice.1', node)) {
      const slice = this.#view.current('grid.slice.1', obj);
      if (slice !== undefined && !isBuried(this.#view, slice)) contracts.add(slice.contract);
    }
    return contracts;
  }

  *#locksOf(contract: string): Iterable<Lock> {
    for (const id of this.#view.naming('grid.lock.1', contract)) {
      const lock = this.#view.current('grid.lock.1', id);
      if (lock !== undefined && this.#isOpen(lock)) yield lock;
    }
  }

  *#slices(contract: string) {
    for (const obj of this.#view.naming('grid.slice.1', contract)) {
      const slice = this.#view.current('grid.slice.1', obj);
      if (slice !== undefined && !isBuried(this.#view, slice)) yield slice;
    }
  }

  #isOpen(lock: Lock | undefined): boolean {
    return lock !== undefined && isOpenLock(this.#view, lock, this.#at);
  }
}

/**
 * A lock that was not funded in time keeps nothing, and nobody relies on it; nor on one whose escrow
 * holds nothing any more.
 */
export function isOpenLock(
  view: ConcernsView,
  { id, expiresMs }: Pick<Lock, 'id' | 'expiresMs'>,
  at: number,
): boolean {
  if (view.isSettled(id)) return false;
  return at < expiresMs || view.current('grid.escrow.1', id) !== undefined;
}

/** Whether a tombstone covers a slice: the node heard of it, and has nothing left to obey. */
export function isBuried(
  view: ConcernsView,
  { node, workload, revision }: Pick<Slice, 'node' | 'workload' | 'revision'>,
): boolean {
  return buriedRevision(view, workload, node) >= revision;
}

function workloadOf(payload: unknown): string | undefined {
  if (typeof payload !== 'object' || payload === null || !('workload' in payload)) return undefined;
  return typeof payload.workload === 'string' ? payload.workload : undefined;
}
