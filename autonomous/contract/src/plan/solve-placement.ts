import { Relaxation } from './relaxation.ts';
import type { RelaxedKind } from './relaxation.ts';
import { packFarm } from './pack-farm.ts';
import { costOf, nodesInFarms } from './problem.ts';
import type { Choice, Problem } from './problem.ts';
import { firstChoices } from './first-choices.ts';

/** Cases that are looked at before the best that was found has to do; fewer where there are many farms. */
const casesMaxDefault = 2_000;
/** Farms of all cases together: about 20 microseconds each. */
const caseFarmsMax = 100_000;

export interface SolveOptions {
  /** Cases that are looked at. Default 2,000, or fewer with more than 50 farms. */
  readonly casesMax?: number;
}

export type Solution =
  | {
      readonly is: 'found';
      readonly choice: Choice;
      /** A month, smallest units. */
      readonly cost: bigint;
      /** No choice costs less. */
      readonly bound: bigint;
      readonly isCheapest: boolean;
    }
  /** `isProven`: nothing fits; else nothing was found in time. */
  | { readonly is: 'none'; readonly isProven: boolean };

/**
 * The cheapest choice of nodes, by branch and bound.
 *
 * 1. Each kind alone has a cheapest way to its farms, exactly (`cheapest-flow.ts`). All together they
 *    cost no less, and when they get along on the nodes that is the answer.
 * 2. Where they do not, because a farm has no room for all of them or a role has too many replicas in
 *    one place, every answer has fewer units of one of the kinds involved there: a case for each kind.
 * 3. A case that costs no less than the best choice so far is given up. The first choices are found by
 *    placing kinds one after another (`first-choices.ts`).
 */
export function solvePlacement(
  problem: Problem,
  { casesMax = usualCases(problem) }: SolveOptions = {},
): Solution {
  const relaxation = new Relaxation(problem);
  const root = relaxation.root();
  if (root === undefined) return { is: 'none', isProven: true };
  let best: { readonly choice: Choice; readonly cost: bigint } | undefined;
  const offer = (choice: Choice): void => {
    const cost = costOf(problem, choice);
    if (best === undefined || cost < best.cost) best = { choice, cost };
  };
  for (const choice of firstChoices(problem)) {
    offer(choice);
    if (best?.cost === root.cost) break;
  }
  const inFarms = nodesInFarms(problem);
  const open = new Cases();
  open.add(root);
  // Whether all that was given up was shown to be no use.
  let isSure = true;
  let cases = 0;
  while (open.size > 0 && cases < casesMax) {
    if (best !== undefined && open.least >= best.cost) break;
    cases++;
    const one = open.take();
    const clash = clashOf(problem, inFarms, one.kinds);
    if (clash.is === 'none') {
      offer(clash.choice);
      continue;
    }
    isSure &&= clash.isProven;
    for (const limit of clash.limits) {
      const next = relaxation.limited(one, limit);
      if (next !== undefined) open.add(next);
    }
  }
  if (best === undefined) return { is: 'none', isProven: isSure && open.size === 0 };
  const least = open.size > 0 && open.least < best.cost ? open.least : best.cost;
  const bound = isSure ? least : root.cost;
  return { is: 'found', ...best, bound, isCheapest: bound === best.cost };
}

function usualCases({ farms }: Problem): number {
  return Math.min(casesMaxDefault, Math.ceil(caseFarmsMax / Math.max(1, farms.length)));
}

/** At most so many units of a kind in a farm, with an owner or in a country. */
export interface Limit {
  readonly kind: number;
  readonly scope: 'farm' | 'owner' | 'country';
  readonly place: number;
  readonly units: number;
}

/** One case: each kind alone at its cheapest, under the limits of the case. */
export interface Case {
  readonly kinds: readonly RelaxedKind[];
  readonly cost: bigint;
  /** Names the limits: a case comes about in more ways than one. */
  readonly key: string;
}

type Clash =
  | { readonly is: 'none'; readonly choice: Choice }
  | { readonly is: 'clash'; readonly limits: readonly Limit[]; readonly isProven: boolean };

/** What keeps kinds from being where each is cheapest alone; their nodes when nothing does. */
function clashOf(
  problem: Problem,
  inFarms: ReadonlyMap<number, readonly number[]>,
  kinds: readonly RelaxedKind[],
): Clash {
  const counts = problem.farms.map((_farm, farm) => kinds.map(({ units }) => units[farm] ?? 0));
  for (const scope of ['country', 'owner', 'farm'] as const) {
    const limits = spreadClash(problem, counts, scope);
    if (limits !== undefined) return { is: 'clash', limits, isProven: true };
  }
  const choice: number[][] = problem.kinds.map(() => []);
  for (const [farm, wanted] of counts.entries()) {
    if (wanted.every((count) => count === 0)) continue;
    const packing = packFarm(problem, inFarms.get(farm) ?? [], wanted);
    if (packing.is === 'packed') {
      for (const [kind, nodes] of packing.nodes.entries()) choice[kind]?.push(...nodes);
      continue;
    }
    return { is: 'clash', limits: fewer(wanted, 'farm', farm), isProven: packing.isProven };
  }
  return { is: 'none', choice };
}

/** A place with too many replicas of a role, or with too few addresses, and how to have fewer there. */
function spreadClash(
  { kinds, roles, nodes, farms, kept = [] }: Problem,
  counts: readonly (readonly number[])[],
  scope: Limit['scope'],
): readonly Limit[] | undefined {
  const limitOf = { farm: 'perFarm', owner: 'perOwner', country: 'perCountry' } as const;
  const placeOf = (farm: number): number =>
    scope === 'farm' ? farm : (farms[farm]?.[scope] ?? -1);
  const sums = new Map<number, number[]>();
  for (const [farm, wanted] of counts.entries()) {
    const sum = sums.get(placeOf(farm)) ?? wanted.map(() => 0);
    sums.set(
      placeOf(farm),
      sum.map((count, kind) => count + (wanted[kind] ?? 0)),
    );
  }
  const staying = new Map<string, number>();
  for (const { role, node } of kept) {
    const key = `${role} ${placeOf(nodes[node]?.farm ?? -1)}`;
    staying.set(key, (staying.get(key) ?? 0) + 1);
  }
  for (const [place, wanted] of sums) {
    for (const [role, limits] of roles.entries()) {
      const max = limits[limitOf[scope]];
      if (max === Infinity) continue;
      const own = wanted.map((count, kind) => (kinds[kind]?.roles.includes(role) ? count : 0));
      const here = staying.get(`${role} ${place}`) ?? 0;
      if (total(own) > 0 && total(own) + here > max) return fewer(own, scope, place);
    }
    if (scope !== 'farm') continue;
    const own = wanted.map((count, kind) => ((kinds[kind]?.addresses ?? 0) > 0 ? count : 0));
    const addresses = own.map((count, kind) => count * (kinds[kind]?.addresses ?? 0));
    if (total(addresses) > (farms[place]?.freeAddresses ?? 0)) return fewer(own, scope, place);
  }
  return undefined;
}

/** A limit for each kind that has units there: one less than now. */
function fewer(units: readonly number[], scope: Limit['scope'], place: number): readonly Limit[] {
  return units.flatMap((count, kind) => {
    return count > 0 ? [{ kind, scope, place, units: count - 1 }] : [];
  });
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Cases that are still to be looked at, the cheapest first; each just once. */
class Cases {
  readonly #open: Case[] = [];
  readonly #known = new Set<string>();

  get size(): number {
    return this.#open.length;
  }

  /** Cost of the cheapest; call it while there is one. */
  get least(): bigint {
    return this.#open.at(-1)?.cost ?? 0n;
  }

  add(one: Case): void {
    if (this.#known.has(one.key)) return;
    this.#known.add(one.key);
    // Dearest first; of those that cost the same the newest comes out first, which goes deep.
    let [low, high] = [0, this.#open.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#open[middle]?.cost ?? 0n) >= one.cost) low = middle + 1;
      else high = middle;
    }
    this.#open.splice(low, 0, one);
  }

  take(): Case {
    const one = this.#open.pop();
    if (one === undefined) throw new Error('no case is left');
    return one;
  }
}
