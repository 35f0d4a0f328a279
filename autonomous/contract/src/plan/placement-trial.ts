import type { Contract, ContractRole } from '@commongrid/model';
import type { Directory } from '../directory/directory.ts';
import { itemsOf, problemOf } from './contract-problem.ts';
import type { PlannedReplica } from './contract-problem.ts';
import type { Problem } from './problem.ts';
import { screen } from './screening.ts';
import type { NodeWishes, Screening } from './screening.ts';
import { solvePlacement } from './solve-placement.ts';
import type { Solution, SolveOptions } from './solve-placement.ts';
import { priceFor } from './unit-price.ts';
import { unitKinds } from './units.ts';
import type { UnitKind } from './units.ts';

export interface TrialInput extends SolveOptions {
  readonly header: Contract;
  readonly roles: readonly ContractRole[];
  readonly directory: Directory;
  readonly wishes?: NodeWishes;
}

/** A contract as it was tried to be placed. */
export interface PlacementTrial {
  readonly problem: Problem;
  readonly kinds: readonly UnitKind[];
  readonly screenings: readonly Screening[];
  readonly solution: Solution;
  /** None where nothing fits. */
  readonly items: readonly PlannedReplica[];
  /** Of the whole term, smallest units. */
  readonly total: bigint;
}

/** Places a contract at least cost, whatever its budget is. */
export function tryPlacement(input: TrialInput): PlacementTrial {
  const kinds = unitKinds(input.roles);
  const screenings = kinds.map((kind) => screen(kind, { wishes: {}, ...input }));
  const problem = problemOf(input, kinds, screenings);
  const solution = solvePlacement(problem, input);
  const items = solution.is === 'found' ? itemsOf(input, kinds, solution.choice) : [];
  return { problem, kinds, screenings, solution, items, total: totalOf(input, items) };
}

/** Of the whole term, each replica rounded up. */
function totalOf(
  { header, roles, directory: { farms } }: TrialInput,
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
