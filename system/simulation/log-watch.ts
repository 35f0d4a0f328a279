import { isWalletUrl, monthlyPrice, workloadIdOf } from '@commongrid/model';
import type { ContractId, ContractRole, GridRecord, NodeId, RecordOf } from '@commongrid/model';
import type { Order } from './orders.ts';
import type { Town } from './town.ts';
import { BrokenPromise } from './witness.ts';

type Placement = RecordOf<'grid.placement.1'>;

const hourMs = 3_600_000;

/**
 * Holds what gets into the log to what contracts promise, worked out apart from the rules that let it
 * in: spread, moves in an hour, budget; and all money to sums of zero.
 */
export class LogWatch {
  readonly #town: Town;
  readonly #orders: Map<string, Order>;
  /** Where each replica was last, and moves of each contract: when, and how many. */
  readonly #places = new Map<string, NodeId>();
  readonly #moves = new Map<ContractId, { readonly at: number; readonly count: number }[]>();
  #heals = 0;
  #drains = 0;
  #broken: BrokenPromise | undefined;

  constructor(town: Town, orders: readonly Order[]) {
    this.#town = town;
    this.#orders = new Map(orders.map((one) => [one.draft.id, one]));
    town.sequencer.onRecord = (record) => this.#take(record);
  }

  /** Holds another contract to what it promises as well. */
  add(order: Order): void {
    this.#orders.set(order.draft.id, order);
  }

  /** Placements that healing made. */
  get healCount(): number {
    return this.#heals;
  }

  /** Placements by which something left a node that was taken out of service. */
  get drainCount(): number {
    return this.#drains;
  }

  /** @throws BrokenPromise the first that was seen */
  check(): void {
    if (this.#broken !== undefined) throw this.#broken;
  }

  #take(record: GridRecord): void {
    if (record.url === 'grid.placement.1') this.#takePlacement(record);
    if (!isWalletUrl(record.url)) return;
    const entry = this.#town.sequencer.fold.entries().at(-1);
    if (entry?.seq !== record.seq) return;
    const sum = entry.postings.reduce((all, { amount }) => all + amount, 0n);
    if (sum !== 0n) this.#break(`${record.url} ${record.obj} makes ${sum} out of nothing`);
  }

  #takePlacement({ value, at }: GridRecord): void {
    const placement = value as Placement;
    const { contract, items, reason } = placement;
    if (reason === 'heal') this.#heals++;
    if (reason === 'drain') this.#drains++;
    const paper = this.#orders.get(contract);
    if (paper === undefined) return;
    for (const { role } of paper.draft.openings) this.#holdSpread(role, placement);
    let count = 0;
    for (const { role, replica, node } of items) {
      const workload = workloadIdOf(contract, role, replica);
      const last = this.#places.get(workload);
      if (last !== undefined && last !== node) count++;
      this.#places.set(workload, node);
    }
    const moves = this.#moves.get(contract) ?? [];
    if (count > 0) moves.push({ at, count });
    this.#moves.set(contract, moves);
    const recent = moves.filter((one) => at - one.at < hourMs);
    const moved = recent.reduce((sum, one) => sum + one.count, 0);
    const { maxPerHour } = paper.draft.header.heal;
    if (moved > maxPerHour) this.#break(`${contract} moved ${moved} times, ${maxPerHour} at most`);
    this.#holdBudget(paper, placement);
  }

  #holdSpread({ name, spread }: ContractRole, { contract, revision, items }: Placement): void {
    const nodes = items.flatMap(({ role, node }) => (role === name ? [node] : []));
    const { fold } = this.#town.sequencer;
    const farmOf = (node: NodeId) => fold.current('grid.farm.1', fold.node(node)?.farm ?? '');
    const limits: readonly (readonly [number | undefined, (node: NodeId) => unknown])[] = [
      [spread.distinctNodes ? 1 : undefined, (node) => node],
      [spread.perFarm, (node) => farmOf(node)?.id],
      [spread.perOwner, (node) => farmOf(node)?.owner],
      [spread.perCountry, (node) => farmOf(node)?.location.country],
    ];
    for (const [most, placeOf] of limits) {
      const crowds = [...Map.groupBy(nodes, placeOf).values()].map(({ length }) => length);
      if (most === undefined || Math.max(0, ...crowds) <= most) continue;
      this.#break(
        `revision ${revision} of ${contract} has ${Math.max(...crowds)} of ${name} together`,
      );
    }
  }

  #holdBudget({ draft: { header } }: Order, { contract, items }: Placement): void {
    const { fold } = this.#town.sequencer;
    const locks = items.flatMap(({ lock }) => fold.current('grid.lock.1', lock ?? '') ?? []);
    const rented = locks.filter(({ farmer }) => farmer !== header.owner);
    const cost = rented.reduce((sum, lock) => sum + monthlyPrice(lock), 0n);
    if (cost <= BigInt(header.budget.perMonth)) return;
    this.#break(`${contract} costs ${cost} a month, of ${header.budget.perMonth}`);
  }

  #break(what: string): void {
    this.#broken ??= new BrokenPromise(what);
  }
}
