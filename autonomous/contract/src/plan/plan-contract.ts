import type { Contract, ContractRole } from '@commongrid/model';
import type { ShardCode } from '../definition/read-role.ts';
import type { Directory } from '../directory/directory.ts';
import { itemsOf, problemOf } from './contract-problem.ts';
import type { PlannedReplica } from './contract-problem.ts';
import { obstaclesOf } from './obstacles.ts';
import type { Obstacle } from './obstacles.ts';
import { replacementsOf } from './replaceability.ts';
import type { RoleReplacement } from './replaceability.ts';
import { screen } from './screening.ts';
import type { NodeWishes } from './screening.ts';
import { secretReaders } from './secret-readers.ts';
import type { SecretReaders } from './secret-readers.ts';
import { solvePlacement } from './solve-placement.ts';
import type { SolveOptions } from './solve-placement.ts';
import { toleranceOf } from './tolerance.ts';
import type { RoleTolerance } from './tolerance.ts';
import { priceFor } from './unit-price.ts';
import { unitKinds } from './units.ts';

export interface PlanInput extends SolveOptions {
  readonly header: Contract;
  readonly roles: readonly ContractRole[];
  /** Of roles whose replicas are shards. */
  readonly shards: ReadonlyMap<string, ShardCode>;
  readonly directory: Directory;
  readonly wishes?: NodeWishes;
}

export interface PlanCost {
  readonly currency: string;
  /** 30 days, smallest units. */
  readonly perMonth: bigint;
  /** The whole term. */
  readonly total: bigint;
  /** No other choice costs less a month than this. */
  readonly perMonthBound: bigint;
  readonly isCheapest: boolean;
}

export interface FoundPlan {
  readonly is: 'found';
  readonly items: readonly PlannedReplica[];
  readonly cost: PlanCost;
  readonly tolerance: readonly RoleTolerance[];
  /** Whether what is lost with a node finds another place. */
  readonly replacements: readonly RoleReplacement[];
  /** Roles by what they do while their nodes hear nothing of the log. */
  readonly alone: { readonly keep: readonly string[]; readonly stop: readonly string[] };
  readonly secrets: readonly SecretReaders[];
}

/** Nothing fits, or not within the budget. */
export interface NoPlan {
  readonly is: 'none';
  /** Whether it was shown that nothing fits; else nothing was found in time. */
  readonly isProven: boolean;
  readonly obstacles: readonly Obstacle[];
}

export type Plan = FoundPlan | NoPlan;

/** Where a contract would run at least cost, and what that is worth; or why it cannot run. */
export function planContract(input: PlanInput): Plan {
  const { header, roles, directory } = input;
  const kinds = unitKinds(roles);
  const screenings = kinds.map((kind) => screen(kind, { wishes: {}, ...input }));
  const problem = problemOf(input, kinds, screenings);
  const solution = solvePlacement(problem, input);
  if (solution.is === 'none') {
    const { isProven } = solution;
    return { is: 'none', isProven, obstacles: obstaclesOf(problem, kinds, screenings) };
  }
  const items = itemsOf(input, kinds, solution.choice);
  const total = totalOf(input, items);
  const { currency, perMonth, total: most } = header.budget;
  const isOver = solution.cost > BigInt(perMonth) || total > BigInt(most);
  if (isOver) {
    const least = { perMonth: solution.bound, total };
    const obstacle: Obstacle = {
      ...{ is: 'budget', currency, isCheapest: solution.isCheapest },
      ...{ cost: { perMonth: solution.cost, total }, least },
      budget: { perMonth: BigInt(perMonth), total: BigInt(most) },
    };
    return { is: 'none', isProven: solution.isCheapest, obstacles: [obstacle] };
  }
  const farmOf = new Map(directory.nodes.map(({ id, farm }) => [id, directory.farms.get(farm)]));
  return {
    ...{ is: 'found', items },
    cost: {
      ...{ currency, perMonth: solution.cost, total },
      ...{ perMonthBound: solution.bound, isCheapest: solution.isCheapest },
    },
    tolerance: roles.map((role) => roleTolerance(role, input, items)),
    replacements: replacementsOf(input, items),
    alone: {
      keep: namesOf(roles, 'keep'),
      stop: namesOf(roles, 'stop'),
    },
    secrets: secretReaders(header, roles, items, (node) => farmOf.get(node)?.owner),
  };
}

/** Of the whole term, each replica rounded up. */
function totalOf(
  { header, roles, directory: { farms } }: PlanInput,
  items: readonly PlannedReplica[],
): bigint {
  const termMs = header.term.untilMs - header.term.fromMs;
  return items.reduce((sum, { role: name, farm: id }) => {
    const farm = farms.get(id);
    const role = roles.find((one) => one.name === name);
    if (farm === undefined || role === undefined) return sum;
    return sum + (priceFor([role], farm, header, termMs) ?? 0n);
  }, 0n);
}

function roleTolerance(
  role: ContractRole,
  { shards, directory: { farms } }: PlanInput,
  items: readonly PlannedReplica[],
): RoleTolerance {
  const places = items.flatMap(({ role: name, node, farm: id }) => {
    const farm = farms.get(id);
    if (name !== role.name || farm === undefined) return [];
    return [{ node, farm: id, owner: farm.owner, country: farm.country }];
  });
  return toleranceOf(role, places, shards.get(role.name));
}

function namesOf(roles: readonly ContractRole[], does: 'keep' | 'stop'): readonly string[] {
  return roles.filter(({ onIsolation }) => onIsolation === does).map(({ name }) => name);
}
