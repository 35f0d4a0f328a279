import type { ContractId, GridFold, NodeId, PlacementItem } from '@commongrid/model';
import type { Unit } from '../plan/units.ts';
import { isOutOfService, isWell, wordOf } from './node-word.ts';
import type { NodeWord } from './node-word.ts';

/** A node on which a unit did not do. Plain JSON. */
export interface Failure {
  /** Roles of the unit: what is wrong with a role is wrong with all of its replicas. */
  readonly kind: string;
  /** Its first replica, by `slotKey`. */
  readonly unit: string;
  readonly node: NodeId;
  /** Log time, ms since 1970. */
  readonly at: number;
  /** What the node said. */
  readonly code: string;
  readonly message: string;
}

/** What is to become of a unit because of what its node says. */
export type UnitVerdict =
  /** It cannot stay where it is, or it has to leave in order. */
  | { readonly is: 'unfit' | 'leaving'; readonly word: NodeWord }
  /** It did not do on as many nodes as are tried. */
  | { readonly is: 'everywhere'; readonly failures: readonly Failure[] };

/** What is seen at one look. */
export interface TrialView {
  readonly fold: GridFold;
  /** Log time, ms since 1970. */
  readonly at: number;
  /** Of the monotonic clock. */
  readonly nowMs: number;
}

/** How long something may fail in a way that may pass by itself, ms. */
const patienceMs = 120_000;
/** How long it may fail in a way that its node takes for lasting, ms: the first try may be unlucky. */
const lastingMs = 3_000;
/** Pause before the second move of a unit, ms; each one after it takes four times as long. */
const againAfterMs = 15_000;
/** How long something has to be well until it counts as no longer failing, ms. */
const wellForMs = 30_000;
/** How long it is remembered on which node something did not do, ms of log time. */
const rememberMs = 3_600_000;
/** Nodes on which something is tried before it counts as faulty itself. */
const nodesTriedMax = 3;
/** Failures of one contract that are remembered: the newest ones. */
const failuresMax = 1_000;

interface Trouble {
  readonly node: NodeId;
  /** Since when, by the monotonic clock. */
  readonly sinceMs: number;
  readonly word: NodeWord;
  /** It fails right now, and is not just being tried again. */
  readonly isNow: boolean;
  readonly wellSinceMs?: number;
}

/**
 * What nodes say against units of one contract, over time.
 *
 * 1. What its node refuses, or takes for failed for good, does not stay there; what fails in a way that may
 *    pass has two minutes. After each move it has longer.
 * 2. It does not go again to a node on which it did not do within the hour.
 * 3. What did not do on three nodes within the hour stays where it is. So do all replicas of a role that
 *    fails on three nodes and is well on none: the first of them would only wander.
 */
export class UnitTrials {
  readonly #contract: ContractId;
  /** By the unit's key. */
  #troubles = new Map<string, Trouble>();
  /** What is on a node that is taken out of service, by the unit's key. */
  #leaving = new Map<string, NodeWord>();
  #failures: readonly Failure[];
  /** Kinds of units of which one is well. */
  #wellKinds: ReadonlySet<string> = new Set();

  constructor(contract: ContractId, failures: readonly Failure[] = []) {
    this.#contract = contract;
    this.#failures = failures;
  }

  /** Whether time alone may change a verdict. */
  get isWaiting(): boolean {
    return this.#troubles.size > 0;
  }

  /** What is remembered: another list whenever it changes. */
  get failures(): readonly Failure[] {
    return this.#failures;
  }

  /** Takes in what nodes say now. @param itemsOf what is placed of a unit */
  note(
    view: TrialView,
    units: readonly Unit[],
    itemsOf: (unit: Unit) => readonly PlacementItem[],
  ): void {
    this.#forget(view.at);
    const troubles = new Map<string, Trouble>();
    this.#leaving = new Map();
    for (const unit of units) {
      const items = itemsOf(unit);
      const words = items.flatMap((item) => wordOf(view.fold, this.#contract, item) ?? []);
      const former = this.#troubles.get(unit.key);
      if (words.length === 0 && former === undefined) continue;
      const trouble = this.#troubleOf(view, former, items, words);
      if (trouble !== undefined) troubles.set(unit.key, trouble);
      const leaving = words.find((word) => word.is === 'leaving');
      if (leaving !== undefined) this.#leaving.set(unit.key, leaving);
    }
    this.#troubles = troubles;
    const isAsked = troubles.size > 0;
    this.#wellKinds = isAsked ? this.#wellKindsIn(view, units, itemsOf) : new Set();
    for (const unit of isAsked ? units : []) {
      const trouble = troubles.get(unit.key);
      if (trouble !== undefined && this.#isDue(unit, trouble, view.nowMs)) {
        this.#remember(unit, trouble, view.at);
      }
    }
  }

  /** Whether a unit may stay where it is, as far as nodes said by the last `note`. */
  verdictOf({ nowMs }: Pick<TrialView, 'nowMs'>, unit: Unit): UnitVerdict | undefined {
    const trouble = this.#troubles.get(unit.key);
    if (trouble !== undefined && this.#isDue(unit, trouble, nowMs)) {
      const failures = this.#lasting(unit);
      if (failures !== undefined) return { is: 'everywhere', failures };
      return { is: 'unfit', word: trouble.word };
    }
    const word = this.#leaving.get(unit.key);
    return word && { is: 'leaving', word };
  }

  /** Nodes on which a unit did not do, each with what it said. */
  failuresOf(unit: Unit): readonly Failure[] {
    const kind = kindOf(unit);
    return this.#failures.filter((one) => {
      return one.unit === unit.key || (one.kind === kind && isOutOfService(one));
    });
  }

  #troubleOf(
    { fold, nowMs }: TrialView,
    former: Trouble | undefined,
    items: readonly PlacementItem[],
    words: readonly NodeWord[],
  ): Trouble | undefined {
    const [first] = items;
    if (first === undefined) return undefined;
    const { node } = first;
    const known = former?.node === node ? former : undefined;
    const word = words.find((one) => one.is !== 'leaving');
    if (word !== undefined) return { node, word, sinceMs: known?.sinceMs ?? nowMs, isNow: true };
    if (known === undefined) return undefined;
    const { wellSinceMs: _before, ...quiet } = { ...known, isNow: false };
    // What ends again and again runs for a moment in between.
    if (!items.every((item) => isWell(fold, this.#contract, item))) return quiet;
    const { wellSinceMs = nowMs } = known;
    return nowMs - wellSinceMs < wellForMs ? { ...quiet, wellSinceMs } : undefined;
  }

  #wellKindsIn(
    { fold }: TrialView,
    units: readonly Unit[],
    itemsOf: (unit: Unit) => readonly PlacementItem[],
  ): ReadonlySet<string> {
    const kinds = new Set<string>();
    for (const unit of units) {
      const items = itemsOf(unit);
      if (items.length === 0 || this.#troubles.has(unit.key)) continue;
      if (items.every((item) => isWell(fold, this.#contract, item))) kinds.add(kindOf(unit));
    }
    return kinds;
  }

  #isDue(unit: Unit, { node, word, sinceMs, isNow }: Trouble, nowMs: number): boolean {
    const others = countNodes(
      this.#failures.filter((one) => one.unit === unit.key && one.node !== node),
    );
    const lasting = word.is === 'refused' ? 0 : lastingMs;
    const least = word.isForGood ? lasting : patienceMs;
    const again = others === 0 ? 0 : againAfterMs * 4 ** (others - 1);
    return isNow && nowMs - sinceMs >= Math.max(least, again);
  }

  #remember(unit: Unit, { node, word }: Trouble, at: number): void {
    if (this.#failures.some((one) => one.unit === unit.key && one.node === node)) return;
    const { code, message } = word;
    const failure = { kind: kindOf(unit), unit: unit.key, node, at, code, message };
    this.#failures = [...this.#failures, failure].slice(-failuresMax);
  }

  #forget(at: number): void {
    const known = this.#failures.filter((one) => at - one.at < rememberMs);
    if (known.length < this.#failures.length) this.#failures = known;
  }

  /** Where a unit did not do, if it is tried no more. A node that takes nothing says nothing of it. */
  #lasting(unit: Unit): readonly Failure[] | undefined {
    const counted = this.#failures.filter((one) => !isOutOfService(one));
    const own = counted.filter((one) => one.unit === unit.key);
    if (countNodes(own) >= nodesTriedMax) return own;
    const kind = kindOf(unit);
    if (this.#wellKinds.has(kind)) return undefined;
    const all = counted.filter((one) => one.kind === kind);
    return countNodes(all) >= nodesTriedMax ? all : undefined;
  }
}

/** What nodes said, each node once, for people. */
export function failureText(failures: readonly Failure[]): string {
  const byNode = new Map(failures.map((one) => [one.node, one]));
  const said = [...byNode.values()].map(({ node, code, message }) => {
    return `${node}: ${code}${message === '' ? '' : ` (${message})`}`;
  });
  const more = said.length - toldMax;
  return `${said.slice(0, toldMax).join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

/** Nodes that are named. */
const toldMax = 5;

function kindOf({ roles }: Unit): string {
  return roles.map(({ name }) => name).join();
}

function countNodes(failures: readonly Failure[]): number {
  return new Set(failures.map(({ node }) => node)).size;
}
