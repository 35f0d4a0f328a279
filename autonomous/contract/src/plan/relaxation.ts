import { cheapestFlow } from './cheapest-flow.ts';
import { Occupancy } from './problem.ts';
import type { Problem } from './problem.ts';
import type { Case, Limit } from './solve-placement.ts';

/** A kind at its cheapest alone. */
export interface RelaxedKind {
  /** Units of each farm. */
  readonly units: readonly number[];
  readonly cost: bigint;
  /** The lowest limit of each place, by scope and place. */
  readonly limits: ReadonlyMap<string, number>;
}

/** How many units of a kind find a place, were it alone. */
export interface KindReach {
  readonly placed: number;
  readonly cost: bigint;
  readonly units: readonly number[];
}

/** Each kind of a problem as if it were alone: what costs no more than any way to have them all. */
export class Relaxation {
  readonly #problem: Problem;
  readonly #empty: Occupancy;
  /** Of each kind and farm, units that its nodes have room for. */
  readonly #rooms: readonly (readonly number[])[];

  constructor(problem: Problem) {
    this.#problem = problem;
    this.#empty = new Occupancy(problem);
    this.#rooms = problem.kinds.map((_kind, kind) => {
      const rooms = problem.farms.map(() => 0);
      for (const [node, { farm }] of problem.nodes.entries()) {
        rooms[farm] = (rooms[farm] ?? 0) + this.#empty.nodeRoom(kind, node);
      }
      return rooms;
    });
  }

  /** The case without limits; undefined when a kind does not fit even alone. */
  root(): Case | undefined {
    const kinds: RelaxedKind[] = [];
    for (const [kind, { count }] of this.#problem.kinds.entries()) {
      const limits = new Map<string, number>();
      const { placed, ...flow } = this.reach(kind, limits);
      if (placed < count) return undefined;
      kinds.push({ ...flow, limits });
    }
    return caseOf(kinds);
  }

  /** A case with one more limit; undefined when the kind does not fit under it. */
  limited({ kinds }: Case, { kind, scope, place, units }: Limit): Case | undefined {
    const former = kinds[kind];
    if (former === undefined) return undefined;
    const limits = new Map(former.limits).set(`${scope} ${place}`, units);
    const { placed, ...flow } = this.reach(kind, limits);
    if (placed < (this.#problem.kinds[kind]?.count ?? 0)) return undefined;
    return caseOf(kinds.with(kind, { ...flow, limits }));
  }

  /** The cheapest way to place a kind alone, or as much of it as there is room for. */
  reach(kind: number, limits: ReadonlyMap<string, number> = new Map()): KindReach {
    const { count = 0, costs = [] } = this.#problem.kinds[kind] ?? {};
    const under = (scope: Limit['scope'], place: number): number =>
      limits.get(`${scope} ${place}`) ?? Infinity;
    const open = this.#problem.farms.flatMap(({ owner, country }, farm) => {
      const cost = costs[farm];
      const room = Math.min(
        this.#rooms[kind]?.[farm] ?? 0,
        this.#empty.farmRoom(kind, farm),
        under('farm', farm),
      );
      return cost === undefined || room <= 0 ? [] : [{ farm, owner, country, room, cost }];
    });
    const flow = cheapestFlow({
      count,
      farms: open,
      ownerRoom: (owner) => Math.min(this.#empty.ownerRoom(kind, owner), under('owner', owner)),
      countryRoom: (country) =>
        Math.min(this.#empty.countryRoom(kind, country), under('country', country)),
    });
    const units = this.#problem.farms.map(() => 0);
    for (const [at, { farm }] of open.entries()) units[farm] = flow.units[at] ?? 0;
    return { ...flow, units };
  }
}

function caseOf(kinds: readonly RelaxedKind[]): Case {
  const cost = kinds.reduce((sum, one) => sum + one.cost, 0n);
  const keys = kinds.map(({ limits }) =>
    [...limits]
      .map(([place, units]) => `${place} ${units}`)
      .toSorted()
      .join(),
  );
  return { kinds, cost, key: keys.join(';') };
}
