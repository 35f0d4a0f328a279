import type { ContractRole } from '@commongrid/model';
import type { ShardCode } from '../definition/read-role.ts';
import { nodeResources } from '../directory/directory.ts';
import type { PlacementTrial, TrialInput } from './placement-trial.ts';
import { tryPlacement } from './placement-trial.ts';
import type { NodeWishes } from './screening.ts';

/** Placements that are tried to find changes: each takes about as long as the plan. */
const trialsMax = 200;
/** Countries, and farms, each of which is tried as one more. */
const placesTriedMax = 16;

/** One value of a contract, or of what was wished beside it, that would be another one. */
export interface ContractChange {
  /** Undefined: of the contract as a whole. */
  readonly role: string | undefined;
  /** `/spread/perFarm`, as a comparison of contracts has it; `uptimeMin` and the like: a wish. */
  readonly path: string;
  readonly from: unknown;
  readonly to: unknown;
}

export interface ChangesInput extends TrialInput {
  readonly shards: ReadonlyMap<string, ShardCode>;
}

/**
 * What would let a contract fit that does not: each list is enough by itself. One value is changed as
 * little as will do, with all others as they are, and the budget beside it where that is short, too.
 */
export function smallestChanges(
  input: ChangesInput,
  trial: PlacementTrial,
): readonly (readonly ContractChange[])[] {
  const search = new ChangeSearch(input);
  if (trial.solution.is === 'found') return [overBudget(input, trial), ...search.cheaper()];
  return search.roomier(trial);
}

class ChangeSearch {
  readonly #input: ChangesInput;
  #trials = 0;

  constructor(input: ChangesInput) {
    this.#input = input;
  }

  /** Fewer replicas, which cost less. */
  cheaper(): readonly (readonly ContractChange[])[] {
    return this.#input.roles.flatMap((role) => this.#fewer(role, true));
  }

  /** All that lets it find places. */
  roomier({ kinds }: PlacementTrial): readonly (readonly ContractChange[])[] {
    const sizes = kinds.flatMap(({ roles, need }) =>
      nodeResources.flatMap((name) =>
        roles.map((role) => ({ role, name, beside: need[name] - role.resources[name] })),
      ),
    );
    return [
      ...this.#input.roles.flatMap((role) => this.#wider(role)),
      ...this.#input.roles.flatMap((role) => this.#fewer(role, false)),
      ...sizes.flatMap((one) => this.#smaller(one)),
      ...this.#elsewhere(),
      ...this.#inOtherMoney(),
      ...this.#lessWished(),
    ];
  }

  /** Looser limits of the spread of a role. */
  #wider(role: ContractRole): readonly (readonly ContractChange[])[] {
    const { spread, replicas, name } = role;
    const found: (readonly ContractChange[])[] = [];
    for (const limit of ['perFarm', 'perOwner', 'perCountry'] as const) {
      const from = spread[limit];
      if (from === undefined) continue;
      const values = Array.from({ length: replicas - from }, (_, n) => from + 1 + n);
      const change = (to: number) => this.#ofRole({ ...role, spread: { ...spread, [limit]: to } });
      found.push(...this.#least(values, change, { role: name, path: `/spread/${limit}`, from }));
    }
    if (spread.distinctNodes) {
      const together = this.#ofRole({ ...role, spread: { ...spread, distinctNodes: false } });
      const what = { role: name, path: '/spread/distinctNodes', from: true };
      found.push(...this.#least([false], () => together, what));
    }
    return found;
  }

  #fewer(role: ContractRole, isCheaper: boolean): readonly (readonly ContractChange[])[] {
    const { name, replicas: from } = role;
    const code = this.#input.shards.get(name);
    const least = code === undefined ? 1 : code.dataShards + code.parityShards;
    const values = Array.from({ length: Math.max(0, from - least) }, (_, n) => from - 1 - n);
    const change = (to: number) => this.#ofRole({ ...role, replicas: to });
    return this.#least(values, change, { role: name, path: '/replicas', from }, isCheaper);
  }

  /** Less of a resource: as much as some node has for one replica, for several, or beside another role. */
  #smaller({
    role,
    name,
    beside,
  }: {
    readonly role: ContractRole;
    readonly name: (typeof nodeResources)[number];
    readonly beside: number;
  }): readonly (readonly ContractChange[])[] {
    const from = role.resources[name];
    if (from === 0) return [];
    const most = Math.min(role.replicas, placesTriedMax);
    const others = this.#input.roles.map(({ resources }) => resources[name]);
    const values = this.#input.directory.nodes.flatMap(({ free }) => [
      ...Array.from({ length: most }, (_, n) => Math.floor(free[name] / (n + 1)) - beside),
      ...others.map((other) => free[name] - other),
    ]);
    const smaller = [...new Set(values)].filter((value) => value > 0 && value < from);
    const change = (to: number) =>
      this.#ofRole({ ...role, resources: { ...role.resources, [name]: to } });
    const what = { role: role.name, path: `/resources/${name}`, from };
    return this.#least(
      smaller.toSorted((a, b) => b - a),
      change,
      what,
    );
  }

  /** One more country, or one more farm: of those that do, the one where it costs least. */
  #elsewhere(): readonly (readonly ContractChange[])[] {
    const { header, directory } = this.#input;
    const { mayMoveTo } = header.heal;
    const known = {
      countries: [...new Set([...directory.farms.values()].map(({ country }) => country))],
      farms: [...directory.farms.keys()],
    };
    return (['countries', 'farms'] as const).flatMap((what) => {
      const from: readonly string[] | undefined = mayMoveTo[what];
      if (from === undefined) return [];
      const others = known[what].filter((one) => !from.includes(one)).slice(0, placesTriedMax);
      const fits = others.flatMap((one) => {
        const to = [...from, one];
        const heal = { ...header.heal, mayMoveTo: { ...mayMoveTo, [what]: to } };
        const changed = { ...this.#input, header: { ...header, heal } };
        const trial = this.#try(changed);
        if (trial?.solution.is !== 'found') return [];
        const change = { role: undefined, path: `/heal/mayMoveTo/${what}`, from, to };
        return [{ cost: trial.solution.cost, all: [change, ...overBudget(changed, trial)] }];
      });
      const [cheapest] = fits.toSorted((a, b) => Number(a.cost - b.cost));
      return cheapest === undefined ? [] : [cheapest.all];
    });
  }

  /** A budget in another currency, in which farms sell. */
  #inOtherMoney(): readonly (readonly ContractChange[])[] {
    const { header, directory } = this.#input;
    const { currency: from } = header.budget;
    const sold = new Set([...directory.farms.values()].map(({ prices }) => prices.currency));
    sold.delete(from);
    return [...sold].slice(0, placesTriedMax).flatMap((to) => {
      const changed = {
        ...this.#input,
        header: { ...header, budget: { ...header.budget, currency: to } },
      };
      const what = { role: undefined, path: '/budget/currency', from };
      return this.#least([to], () => changed, what);
    });
  }

  /** What was wished beside the contract. */
  #lessWished(): readonly (readonly ContractChange[])[] {
    const wishes: NodeWishes = this.#input.wishes ?? {};
    return (['only', 'uptimeMin', 'latencyMsMax'] as const).flatMap((path) => {
      if (wishes[path] === undefined) return [];
      const less = { ...this.#input, wishes: { ...wishes, [path]: undefined } };
      const value = wishes[path];
      const from = typeof value === 'number' ? value : [...value];
      return this.#least([undefined], () => less, { role: undefined, path, from });
    });
  }

  /**
   * The first of some values with which it fits, when those behind it do as well.
   * @param values the nearest to the present one first
   */
  #least<T>(
    values: readonly T[],
    change: (value: T) => ChangesInput,
    what: Omit<ContractChange, 'to'>,
    isWithin = false,
  ): readonly (readonly ContractChange[])[] {
    const tried = (at: number): readonly ContractChange[] | undefined => {
      const to = values[at] as T;
      const changed = change(to);
      const trial = this.#try(changed);
      if (trial?.solution.is !== 'found') return undefined;
      const more = overBudget(changed, trial);
      return isWithin && more.length > 0 ? undefined : [{ ...what, to }, ...more];
    };
    if (values.length === 0) return [];
    let [low, high] = [0, values.length - 1];
    let found = tried(high);
    if (found === undefined) return [];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const nearer = tried(middle);
      if (nearer === undefined) low = middle + 1;
      else [high, found] = [middle, nearer];
    }
    return [found];
  }

  /** Undefined where enough was tried. */
  #try(input: ChangesInput): PlacementTrial | undefined {
    return ++this.#trials > trialsMax ? undefined : tryPlacement(input);
  }

  #ofRole(changed: ContractRole): ChangesInput {
    const roles = this.#input.roles.map((role) => (role.name === changed.name ? changed : role));
    return { ...this.#input, roles };
  }
}

/** The budget that a placement takes, where the one of the contract is too small. */
function overBudget(
  { header: { budget } }: TrialInput,
  { solution, total }: PlacementTrial,
): readonly ContractChange[] {
  const perMonth = solution.is === 'found' ? solution.cost : 0n;
  const costs = { perMonth, total };
  return (['perMonth', 'total'] as const).flatMap((path) => {
    const [from, to] = [BigInt(budget[path]), costs[path]];
    return to > from ? [{ role: undefined, path: `/budget/${path}`, from, to }] : [];
  });
}
