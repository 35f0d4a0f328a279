import type { Contract, ContractRole } from '@commongrid/model';
import type { Directory } from '../directory/directory.ts';
import type { WantedUnit } from '../heal/assess-units.ts';
import { planReplacement } from '../plan/plan-replacement.ts';
import type { KeptPlace, Replacement } from '../plan/plan-replacement.ts';
import type { NodeWishes } from '../plan/screening.ts';
import { priceFor } from '../plan/unit-price.ts';
import type { Widening } from './wider-contract.ts';

/** Units that find no place as their contract is, and what was tried. */
export interface Shortage {
  readonly header: Contract;
  readonly roles: readonly ContractRole[];
  readonly directory: Directory;
  readonly wishes: NodeWishes;
  readonly units: readonly WantedUnit[];
  /** What stays where it is, or found a place. */
  readonly kept: readonly KeptPlace[];
}

/** Where units go beside what is kept; or why they find no place. */
export function planUnits({ units, ...input }: Shortage): Replacement {
  const missing = new Set(units.flatMap(({ unit }) => unit.slots));
  const avoided = units.flatMap(({ avoids }) => [...avoids]);
  const except = new Set([...(input.wishes.except ?? []), ...avoided]);
  return planReplacement({ ...input, missing, wishes: { ...input.wishes, except } });
}

/** Whether all of them would find a place, were this the contract. */
export function wouldDo(shortage: Shortage, header: Contract): boolean {
  return planUnits({ ...shortage, header }).is === 'found';
}

/** The same contract where nothing may be too far away. */
export function anywhere(header: Contract): Contract {
  return { ...header, heal: { ...header.heal, mayMoveTo: {} } };
}

/** The same contract with as much money as is asked for. */
export function atAnyPrice(header: Contract): Contract {
  const perMonth = String(Number.MAX_SAFE_INTEGER) as Contract['budget']['perMonth'];
  return { ...header, budget: { ...header.budget, perMonth, total: perMonth } };
}

/**
 * What the contract would have to allow for as many units as can be helped by that: other places; else more money;
 * else both. Undefined where neither helps.
 */
export function wideningOf(shortage: Shortage): Widening | undefined {
  const helped = helpedBy(shortage);
  if (helped.length === 0) return undefined;
  const { header } = shortage;
  for (const wider of [anywhere(header), atAnyPrice(header), anywhere(atAnyPrice(header))]) {
    const plan = planUnits({ ...shortage, header: wider, units: helped });
    if (plan.is === 'found') return summed(shortage, plan);
  }
  return undefined;
}

/** Units that find places together where place and price do not matter. */
function helpedBy(shortage: Shortage): readonly WantedUnit[] {
  const header = anywhere(atAnyPrice(shortage.header));
  const isFound = (units: readonly WantedUnit[]): boolean =>
    planUnits({ ...shortage, header, units }).is === 'found';
  if (isFound(shortage.units)) return shortage.units;
  const helped: WantedUnit[] = [];
  for (const one of shortage.units) if (isFound([...helped, one])) helped.push(one);
  return helped;
}

function summed(
  { header, roles, directory, kept }: Shortage,
  { items }: Replacement & { readonly is: 'found' },
): Widening {
  const farmOf = new Map(directory.nodes.map(({ id, farm }) => [id, directory.farms.get(farm)]));
  const places = [...kept, ...items];
  // An upgrade rents anew what it keeps: a farm may ask for more by now.
  const perMonth = places.reduce((sum, { role: name, node, perMonth: paid }) => {
    const role = roles.find((one) => one.name === name);
    const farm = farmOf.get(node);
    const asked = (role && farm && priceFor([role], farm, header)) ?? 0n;
    return sum + (asked > paid ? asked : paid);
  }, 0n);
  const farms = [...new Set(items.map(({ farm }) => farm))];
  const countries = farms.flatMap((id) => directory.farms.get(id)?.country ?? []);
  const nodes = [...new Set(items.map(({ node }) => node))];
  return { nodes, farms, countries: [...new Set(countries)], perMonth };
}
