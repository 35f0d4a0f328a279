import type { Contract, ContractRole, FarmId, NodeId } from '@commongrid/model';
import type { ShardCode } from '../definition/read-role.ts';
import type { Directory } from '../directory/directory.ts';
import { nodeResources } from '../directory/directory.ts';
import type { Choice, Problem } from './problem.ts';
import { obstaclesOf } from './obstacles.ts';
import type { Obstacle } from './obstacles.ts';
import { screen } from './screening.ts';
import type { NodeWishes, Screening } from './screening.ts';
import { secretReaders } from './secret-readers.ts';
import type { SecretReaders } from './secret-readers.ts';
import { solvePlacement } from './solve-placement.ts';
import type { SolveOptions } from './solve-placement.ts';
import { toleranceOf } from './tolerance.ts';
import type { RoleTolerance } from './tolerance.ts';
import { priceFor } from './unit-price.ts';
import { unitKinds } from './units.ts';
import type { UnitKind } from './units.ts';

export interface PlanInput extends SolveOptions {
  readonly header: Contract;
  readonly roles: readonly ContractRole[];
  /** Of roles whose replicas are shards. */
  readonly shards: ReadonlyMap<string, ShardCode>;
  readonly directory: Directory;
  readonly wishes?: NodeWishes;
}

/** A replica and where it would run. */
export interface PlannedReplica {
  readonly role: string;
  readonly replica: number;
  readonly node: NodeId;
  readonly farm: FarmId;
  /** A month, smallest units of the budget's currency. */
  readonly perMonth: bigint;
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
    alone: {
      keep: namesOf(roles, 'keep'),
      stop: namesOf(roles, 'stop'),
    },
    secrets: secretReaders(header, roles, items, (node) => farmOf.get(node)?.owner),
  };
}

function problemOf(
  { header, roles, directory: { nodes, farms } }: PlanInput,
  kinds: readonly UnitKind[],
  screenings: readonly Screening[],
): Problem {
  const listed = [...farms.values()];
  const farmIndex = new Map<FarmId, number>(listed.map(({ id }, at) => [id, at]));
  const owners = [...new Set(listed.map(({ owner }) => owner))];
  const countries = [...new Set(listed.map(({ country }) => country))];
  return {
    kinds: kinds.map(({ roles: own, replicas, need }, kind) => ({
      count: replicas.length,
      need: nodeResources.map((name) => need[name]),
      addresses: need.ipv4,
      roles: own.map((role) => roles.indexOf(role)),
      costs: listed.map((farm) => priceFor(own, farm, header)),
      suits: screenings[kind]?.suits ?? [],
    })),
    roles: roles.map(({ spread: { distinctNodes, perFarm, perOwner, perCountry } }) => ({
      perNode: distinctNodes ? 1 : Infinity,
      perFarm: perFarm ?? Infinity,
      perOwner: perOwner ?? Infinity,
      perCountry: perCountry ?? Infinity,
    })),
    nodes: nodes.map(({ farm, free }) => ({
      farm: farmIndex.get(farm) ?? -1,
      free: nodeResources.map((name) => free[name]),
    })),
    farms: listed.map(({ owner, country, freeIpv4 }) => ({
      owner: owners.indexOf(owner),
      country: countries.indexOf(country),
      freeAddresses: freeIpv4,
    })),
  };
}

function itemsOf(
  { header, directory: { nodes, farms } }: PlanInput,
  kinds: readonly UnitKind[],
  choice: Choice,
): readonly PlannedReplica[] {
  const items: PlannedReplica[] = [];
  for (const [kind, { roles, replicas }] of kinds.entries()) {
    for (const [unit, replica] of replicas.entries()) {
      const node = nodes[choice[kind]?.[unit] ?? -1];
      const farm = farms.get(node?.farm ?? ('' as FarmId));
      if (node === undefined || farm === undefined) throw new Error('a choice names no node');
      for (const role of roles) {
        const perMonth = priceFor([role], farm, header) ?? 0n;
        items.push({ role: role.name, replica, node: node.id, farm: farm.id, perMonth });
      }
    }
  }
  return items.toSorted(
    (a, b) => (a.role < b.role ? -1 : 1) * Number(a.role !== b.role) || a.replica - b.replica,
  );
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
