import type { Contract, ContractRole, NodeId } from '@commongrid/model';
import type { Directory } from '../directory/directory.ts';
import { itemsOf, problemOf } from './contract-problem.ts';
import type { PlannedReplica } from './contract-problem.ts';
import { obstaclesOf } from './obstacles.ts';
import type { Obstacle } from './obstacles.ts';
import { screen } from './screening.ts';
import type { NodeWishes } from './screening.ts';
import { solvePlacement } from './solve-placement.ts';
import { slotKey, unitKinds } from './units.ts';

export interface ReplacementInput {
  readonly header: Contract;
  readonly roles: readonly ContractRole[];
  readonly directory: Directory;
  /** Replicas that stay where they are: they count for spread and budget. */
  readonly kept: readonly KeptPlace[];
  /** What has no place, by `slotKey`. Replicas that go together are all missing, or none. */
  readonly missing: ReadonlySet<string>;
  readonly wishes?: NodeWishes;
}

export interface KeptPlace {
  readonly role: string;
  readonly replica: number;
  readonly node: NodeId;
  /** What its lock costs in 30 days, smallest units. */
  readonly perMonth: bigint;
}

export type Replacement =
  | {
      readonly is: 'found';
      readonly items: readonly PlannedReplica[];
      /** Of what is kept and what is new together, smallest units. */
      readonly perMonth: bigint;
    }
  | { readonly is: 'none'; readonly obstacles: readonly Obstacle[] };

/** Where missing replicas go at least cost beside those that stay; or why they cannot. */
export function planReplacement(input: ReplacementInput): Replacement {
  const { header, roles, directory, missing } = input;
  const kinds = unitKinds(roles).flatMap((kind) => {
    const [first] = kind.roles;
    const replicas = kind.replicas.filter((replica) => {
      return first !== undefined && missing.has(slotKey({ role: first.name, replica }));
    });
    return replicas.length === 0 ? [] : [{ ...kind, replicas }];
  });
  const nodeAt = new Map(directory.nodes.map(({ id }, at) => [id, at]));
  const roleAt = new Map(roles.map(({ name }, at) => [name, at]));
  const kept = input.kept.flatMap(({ role, node }) => {
    const place = { role: roleAt.get(role), node: nodeAt.get(node) };
    return place.role === undefined || place.node === undefined
      ? []
      : [{ role: place.role, node: place.node }];
  });
  const screenings = kinds.map((kind) => screen(kind, { wishes: {}, ...input }));
  const problem = problemOf(input, kinds, screenings, kept);
  const solution = solvePlacement(problem);
  if (solution.is === 'none') {
    return { is: 'none', obstacles: obstaclesOf(problem, kinds, screenings) };
  }
  const stays = input.kept.reduce((sum, { perMonth }) => sum + perMonth, 0n);
  const perMonth = stays + solution.cost;
  const { currency, perMonth: most, total } = header.budget;
  if (perMonth <= BigInt(most)) {
    return { is: 'found', items: itemsOf(input, kinds, solution.choice), perMonth };
  }
  const obstacle: Obstacle = {
    ...{ is: 'budget', currency, isCheapest: solution.isCheapest },
    cost: { perMonth, total: 0n },
    least: { perMonth: stays + solution.bound, total: 0n },
    budget: { perMonth: BigInt(most), total: BigInt(total) },
  };
  return { is: 'none', obstacles: [obstacle] };
}
