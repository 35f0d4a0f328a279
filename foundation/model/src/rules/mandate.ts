import type { GridCode } from '../errors.ts';
import type { Contract } from '../records/contract.ts';
import type { ContractRole, ContractRoleOpening } from '../records/contract-role.ts';
import type { Placement, PlacementItem } from '../records/placement.ts';
import type { ContractState } from './grid-state.ts';
import { buriedRevision, farmBehind, isWhole, knowsNode, workloadIdOf } from './grid-view.ts';
import type { GridView } from './grid-view.ts';

/** What is known of a role: a slice that was accepted shows it. */
export function openingOf(
  view: GridView,
  { openings }: ContractState,
  role: string,
): ContractRoleOpening | undefined {
  const shown = openings.find((one) => one.role === role);
  return shown && view.current('grid.slice.1', shown.slice)?.opening;
}

export function replicaFault(
  { replicas }: ContractRole,
  items: readonly PlacementItem[],
): GridCode | undefined {
  const isOver = items.some(({ replica }) => replica >= replicas);
  return isOver ? 'PLACEMENT_REPLICA_UNKNOWN' : undefined;
}

/** Whether more replicas of a role are in one place than it allows. */
export function spreadFault(
  view: GridView,
  { spread }: ContractRole,
  items: readonly PlacementItem[],
): GridCode | undefined {
  const isCrowded = (max: number | undefined, place: (item: PlacementItem) => unknown): boolean =>
    max !== undefined && [...Map.groupBy(items, place).values()].some((all) => all.length > max);
  const isBroken = (): boolean => {
    if (spread.distinctNodes && isCrowded(1, ({ node }) => node)) return true;
    if (!isWhole(view)) return false;
    const farmOf = ({ node }: PlacementItem) => farmBehind(view, node);
    const countryOf = (item: PlacementItem) =>
      view.current('grid.farm.1', farmOf(item)?.id ?? '')?.location.country;
    return (
      isCrowded(spread.perOwner, (item) => farmOf(item)?.owner) ||
      isCrowded(spread.perFarm, (item) => farmOf(item)?.id) ||
      isCrowded(spread.perCountry, countryOf)
    );
  };
  return isBroken() ? 'PLACEMENT_SPREAD' : undefined;
}

/** Why a replica may not go from where it was to where the item has it. */
export function moveFault(
  view: GridView,
  { heal: { mayMoveTo } }: Contract,
  state: ContractState,
  { contract }: Placement,
  { role, replica, node }: PlacementItem,
): GridCode | undefined {
  const workload = workloadIdOf(contract, role, replica);
  const last = view.workload(workload)?.places.at(-1);
  const isLocal = openingOf(view, state, role)?.role.data === 'local';
  if (isLocal && last !== undefined && knowsNode(view, last.node)) {
    // Two of them would go different ways: the former one must be given up first.
    if (buriedRevision(view, workload, last.node) < last.from) return 'PLACEMENT_LOCAL_DATA';
  }
  if (!knowsNode(view, node)) return undefined;
  const farm = farmBehind(view, node);
  const country = view.current('grid.farm.1', farm?.id ?? '')?.location.country;
  const isFarm = mayMoveTo.farms?.some((id) => id === farm?.id) ?? true;
  const isCountry = mayMoveTo.countries?.some((code) => code === country) ?? true;
  return isFarm && isCountry ? undefined : 'PLACEMENT_OUTSIDE_MANDATE';
}
