import type { ContractRole } from '@commongrid/model';
import type { ShardCode } from '../definition/read-role.ts';
import type { PlannedReplica } from './contract-problem.ts';
import { obstaclesOf } from './obstacles.ts';
import type { Obstacle } from './obstacles.ts';
import { tryPlacement } from './placement-trial.ts';
import type { TrialInput } from './placement-trial.ts';
import { replacementsOf } from './replaceability.ts';
import type { RoleReplacement } from './replaceability.ts';
import { secretReaders } from './secret-readers.ts';
import type { SecretReaders } from './secret-readers.ts';
import { smallestChanges } from './smallest-changes.ts';
import type { ContractChange } from './smallest-changes.ts';
import { dataTolerance, tolerancesOf, wholeTolerance } from './tolerance.ts';
import type { ReplicaPlace, RoleTolerance, Tolerance } from './tolerance.ts';

export interface PlanInput extends TrialInput {
  /** Of roles whose replicas are shards. */
  readonly shards: ReadonlyMap<string, ShardCode>;
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
  /** What all of it bears; undefined where that is not known of one of its roles. */
  readonly whole: Tolerance | undefined;
  /** What its data bears; undefined where it has none, or where that is not known. */
  readonly data: Tolerance | undefined;
  /** Whether what is lost with a node, or with a farm, finds another place. */
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
  /** Each would let it fit by itself; none was found where it is empty. */
  readonly changes: readonly (readonly ContractChange[])[];
}

export type Plan = FoundPlan | NoPlan;

/** Where a contract would run at least cost, and what that is worth; or why it cannot run. */
export function planContract(input: PlanInput): Plan {
  const { header, roles, directory } = input;
  const trial = tryPlacement(input);
  const { solution, items, total } = trial;
  if (solution.is === 'none') {
    const { problem, kinds, screenings } = trial;
    const obstacles = obstaclesOf(problem, kinds, screenings);
    const { isProven } = solution;
    return { is: 'none', isProven, obstacles, changes: smallestChanges(input, trial) };
  }
  const { currency, perMonth, total: most } = header.budget;
  const isOver = solution.cost > BigInt(perMonth) || total > BigInt(most);
  if (isOver) {
    const least = { perMonth: solution.bound, total };
    const obstacle: Obstacle = {
      ...{ is: 'budget', currency, isCheapest: solution.isCheapest },
      ...{ cost: { perMonth: solution.cost, total }, least },
      budget: { perMonth: BigInt(perMonth), total: BigInt(most) },
    };
    const changes = smallestChanges(input, trial);
    return { is: 'none', isProven: solution.isCheapest, obstacles: [obstacle], changes };
  }
  const tolerance = tolerancesIn(input, items);
  const farmOf = new Map(directory.nodes.map(({ id, farm }) => [id, directory.farms.get(farm)]));
  return {
    ...{ is: 'found', items },
    cost: {
      ...{ currency, perMonth: solution.cost, total },
      ...{ perMonthBound: solution.bound, isCheapest: solution.isCheapest },
    },
    ...{ tolerance, whole: wholeTolerance(tolerance), data: dataTolerance(tolerance) },
    replacements: replacementsOf(input, items),
    alone: {
      keep: namesOf(roles, 'keep'),
      stop: namesOf(roles, 'stop'),
    },
    secrets: secretReaders(header, roles, items, (node) => farmOf.get(node)?.owner),
  };
}

function tolerancesIn(
  { roles, shards, directory: { farms } }: PlanInput,
  items: readonly PlannedReplica[],
): readonly RoleTolerance[] {
  const placesOf = (role: string): readonly ReplicaPlace[] =>
    items.flatMap(({ role: name, node, farm: id }) => {
      const farm = farms.get(id);
      if (name !== role || farm === undefined) return [];
      return [{ node, farm: id, owner: farm.owner, country: farm.country }];
    });
  return tolerancesOf(roles, placesOf, shards);
}

function namesOf(roles: readonly ContractRole[], does: 'keep' | 'stop'): readonly string[] {
  return roles.filter(({ onIsolation }) => onIsolation === does).map(({ name }) => name);
}
