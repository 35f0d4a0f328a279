import type { Contract, ContractRole, GridFold, PlacementItem } from '@commongrid/model';

import { BrokenPromise } from '../../../simulation/witness.ts';

type Fold = Pick<GridFold, 'current' | 'objects' | 'slice'>;

/** Where a machine truly is. */
export interface MachinePlace {
  readonly farm: string;
  readonly owner: string;
  /** Two capital letters. */
  readonly country: string;
}

/**
 * Holds each placement that counts against what was signed: each replica is there once, no more of a role are in one place
 * than it allows, and all are where they may be. The rules of the log say the same; this asks the town, not the log, where
 * machines are.
 * @param places by node
 * @returns replicas that were looked at
 * @throws BrokenPromise
 */
export function requireSpread(fold: Fold, places: ReadonlyMap<string, MachinePlace>): number {
  let count = 0;
  for (const { contract: id, revision, items } of fold.objects('grid.placement.1')) {
    const name = `${id} in revision ${revision}`;
    const contract = fold.current('grid.contract.1', id);
    if (contract === undefined) throw new BrokenPromise(`spread: ${name} is no contract`);
    for (const [roleName, own] of Map.groupBy(items, ({ role }) => role)) {
      const role = roleOf(fold, own);
      if (role?.name !== roleName) throw new BrokenPromise(`spread: ${name} runs no ${roleName}`);
      const fault = faultOf(role, own, places) ?? moveFault(contract, own, places, fold);
      if (fault !== undefined) throw new BrokenPromise(`spread: ${roleName} of ${name}: ${fault}`);
      count += own.length;
    }
  }
  return count;
}

/** What machines run of a role, as the first of them was told. */
function roleOf(fold: Fold, [first]: readonly PlacementItem[]): ContractRole | undefined {
  return first && fold.slice(first.slice)?.opening.role;
}

function faultOf(
  { replicas, spread }: ContractRole,
  items: readonly PlacementItem[],
  places: ReadonlyMap<string, MachinePlace>,
): string | undefined {
  const numbers = new Set(items.map(({ replica }) => replica));
  if (numbers.size < items.length) return 'a replica is placed twice';
  if (items.some(({ replica }) => replica >= replicas)) return `there are ${replicas} replicas`;
  const stranger = items.find(({ node }) => !places.has(node));
  if (stranger !== undefined) return `${stranger.node} is no machine of the town`;
  const limits = [
    ['one machine', spread.distinctNodes ? 1 : undefined, (node: string) => node],
    ['one owner', spread.perOwner, (node: string) => places.get(node)?.owner],
    ['one farm', spread.perFarm, (node: string) => places.get(node)?.farm],
    ['one country', spread.perCountry, (node: string) => places.get(node)?.country],
  ] as const;
  for (const [what, most = Infinity, placeOf] of limits) {
    for (const [place, all] of Map.groupBy(items, ({ node }) => placeOf(node))) {
      if (all.length > most)
        return `${all.length} are with ${place}, and ${most} may be in ${what}`;
    }
  }
  return undefined;
}

/** Why one may not be where it is. */
function moveFault(
  { heal: { mayMoveTo } }: Contract,
  items: readonly PlacementItem[],
  places: ReadonlyMap<string, MachinePlace>,
  fold: Fold,
): string | undefined {
  const farmIds = new Map([...fold.objects('grid.farm.1')].map(({ id, name }) => [name, id]));
  for (const { node } of items) {
    const place = places.get(node);
    const [farm, country] = [farmIds.get(place?.farm ?? ''), place?.country];
    const isFarm = mayMoveTo.farms?.some((one) => one === farm) ?? true;
    const isCountry = mayMoveTo.countries?.some((one) => one === country) ?? true;
    if (!isFarm || !isCountry) return `it may not be in ${place?.farm}`;
  }
  return undefined;
}
