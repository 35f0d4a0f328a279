import { monthlyPrice } from '@commongrid/model';
import type { Contract, ContractRole, GridFold, NodeId, PlacementItem } from '@commongrid/model';
import type { Directory } from '../directory/directory.ts';
import type { WantedUnit } from '../heal/assess-units.ts';
import type { KeptPlace, Replacement } from '../plan/plan-replacement.ts';
import type { NodeWishes } from '../plan/screening.ts';
import { priceFor } from '../plan/unit-price.ts';
import type { Unit } from '../plan/units.ts';
import { anywhere, atAnyPrice, planUnits } from '../propose/widening.ts';
import type { Shortage } from '../propose/widening.ts';
import { blocked, blockedByObstacles } from './blocked.ts';
import type { Blocked } from './blocked.ts';
import { farmOf } from './supply.ts';
import type { Target } from './supply.ts';

export interface PlacesInput {
  readonly header: Contract;
  readonly roles: readonly ContractRole[];
  readonly fold: GridFold;
  readonly directory: Directory;
  readonly stays: readonly PlacementItem[];
  readonly wanted: readonly WantedUnit[];
  /** All units find a place, or none does. */
  readonly isAtOnce: boolean;
  readonly wishes: NodeWishes;
}

/** Nodes of replicas, unit by unit, and why others have none. */
export interface FoundPlaces {
  readonly units: readonly (readonly Target[])[];
  readonly blocked: readonly Blocked[];
  /** Units without a place; undefined where all have one. */
  readonly shortage?: Shortage;
}

/**
 * Finds nodes for units. What was begun with goes where it was begun. The others are planned together; or,
 * where that does not come out and what is there may stay as it is, one after the other.
 */
export function findPlaces(input: PlacesInput): FoundPlaces {
  const begun = input.wanted.flatMap(({ unit, begun: node }) =>
    node === undefined ? [] : [targetsOn(unit, node)],
  );
  const open = input.wanted.filter((one) => one.begun === undefined);
  const kept = [...input.stays.map((item) => keptItem(input, item)), ...begun.flat().map(price)];
  if (open.length === 0) return { units: begun, blocked: [] };
  const whole = { ...input, units: open, kept };
  const all = planUnits(whole);
  if (all.is === 'found') return { units: [...begun, ...targetsOf(all, open)], blocked: [] };
  if (input.isAtOnce) return { units: [], blocked: [reasonOf(whole, all)], shortage: whole };
  const found = [...begun];
  const reasons: Blocked[] = [];
  const waiting: WantedUnit[] = [];
  for (const one of open) {
    const own = { ...input, units: [one], kept };
    const alone = planUnits(own);
    if (alone.is === 'none') {
      reasons.push(reasonOf(own, alone));
      waiting.push(one);
      continue;
    }
    const [targets = []] = targetsOf(alone, [one]);
    found.push(targets);
    kept.push(...targets.map(price));
  }
  const shortage = { ...input, units: waiting, kept };
  const isShort = waiting.length > 0;
  return { units: found, blocked: merged(reasons), ...(isShort ? { shortage } : {}) };

  function price({ role, replica, node }: Target): KeptPlace {
    const farm = farmOf(input.directory, node);
    const perMonth = (farm && priceFor([role], farm, input.header)) ?? 0n;
    return { role: role.name, replica, node, perMonth };
  }
}

/** Why units find no place: perhaps others than those that the contract names would do. */
function reasonOf(shortage: Shortage, none: Replacement & { readonly is: 'none' }): Blocked {
  const { header, directory, units } = shortage;
  const slots = units.flatMap(({ unit }) => unit.slots);
  const { farms, countries } = header.heal.mayMoveTo;
  if (farms !== undefined || countries !== undefined) {
    const far = anywhere(header);
    const isPaid = planUnits({ ...shortage, header: far });
    const other =
      isPaid.is === 'found' ? isPaid : planUnits({ ...shortage, header: atAnyPrice(far) });
    if (other.is === 'found') {
      const nodes = [...new Set(other.items.map(({ node }) => node))];
      const names = nodes.map((id) => {
        const name = directory.nodes.find((one) => one.id === id)?.name ?? id;
        return `${name} of ${farmOf(directory, id)?.name ?? 'no farm'}`;
      });
      const { currency, perMonth } = header.budget;
      const price = `for ${other.perMonth} ${currency} a month in all, of ${perMonth}`;
      const ending = isPaid.is === 'found' ? '' : `, ${price}`;
      return blocked('HEAL_OUTSIDE_MANDATE', `these would do: ${names.join(', ')}${ending}`, slots);
    }
  }
  return blockedByObstacles(none.obstacles, slots);
}

function keptItem({ fold }: PlacesInput, { role, replica, node, lock }: PlacementItem): KeptPlace {
  const known = fold.current('grid.lock.1', lock ?? '');
  const perMonth = known === undefined ? 0n : monthlyPrice(known);
  return { role, replica, node, perMonth };
}

function targetsOn(unit: Unit, node: NodeId): readonly Target[] {
  return unit.roles.map((role) => ({ role, replica: unit.replica, node }));
}

function targetsOf(
  { items }: Replacement & { readonly is: 'found' },
  open: readonly WantedUnit[],
): readonly (readonly Target[])[] {
  return open.map((one) => {
    const [first] = one.unit.roles;
    const item = items.find(({ role, replica }) => {
      return role === first?.name && replica === one.unit.replica;
    });
    if (item === undefined) throw new Error(`the plan has no node for ${one.unit.key}`);
    return targetsOn(one.unit, item.node);
  });
}

/** Each reason once, with all that it holds up. */
function merged(reasons: readonly Blocked[]): readonly Blocked[] {
  const byText = Map.groupBy(reasons, ({ code, message }) => `${code} ${message}`);
  return [...byText.values()].flatMap((same) => {
    const [first] = same;
    const slots = same.flatMap((one) => one.slots);
    return first === undefined ? [] : [{ ...first, slots }];
  });
}
