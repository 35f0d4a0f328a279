import type { Directory, DirectoryNode } from '@commongrid/contract';
import type { BotId, Farm, FarmId, Resources } from '@commongrid/model';
import type { FarmerRules } from './farmer-rules.ts';
import type { Intent, WantedSlot } from './market-schema.ts';
import { discountPercent, lessPercent, listPrice, takesCurrency } from './pricing.ts';
import type { Buying } from './pricing.ts';
import { refusal } from './refusals.ts';

/** A slot with its node and its price. */
export interface OfferedSlot extends WantedSlot {
  readonly node: string;
  /** For an hour, smallest units, discounts taken off. */
  readonly amount: bigint;
}

export interface OfferInput {
  readonly rules: FarmerRules;
  readonly self: string;
  readonly intent: Intent;
  readonly buying: Buying;
  readonly directory: Directory;
  /** Farms of the farmer, proven. */
  readonly farms: ReadonlyMap<FarmId, Farm>;
}

/**
 * Finds a node for each slot and says what it costs: the named node, or the first that has room, in the
 * order of the directory. Earlier slots take their room first.
 * @throws MARKET_NODE_REFUSED, MARKET_FULL, MARKET_CURRENCY_REFUSED, MARKET_UNPRICED
 */
export function offerFor(input: OfferInput): readonly OfferedSlot[] {
  const { rules, intent, buying, directory, farms } = input;
  const nodes = directory.nodes.filter((node) => isForSale(rules, node, farms.get(node.farm)));
  const left = new Map(nodes.map(({ id, free }) => [id as string, { ...free }]));
  const addresses = new Map<string, number>(
    [...directory.farms.values()].map(({ id, freeIpv4 }) => [id, freeIpv4]),
  );
  const percent = discountPercent(rules, buying);
  return intent.slots.map((slot): OfferedSlot => {
    const { resources, node: wanted } = slot;
    const candidates = wanted === undefined ? nodes : nodes.filter(({ id }) => id === wanted);
    if (candidates.length === 0) throw noNode(wanted);
    const node = candidates.find((one) => {
      const free = left.get(one.id);
      return free !== undefined && fits(free, addresses.get(one.farm) ?? 0, resources);
    });
    if (node === undefined) throw full(slot);
    const free = left.get(node.id);
    if (free !== undefined) take(free, resources);
    addresses.set(node.farm, (addresses.get(node.farm) ?? 0) - resources.ipv4);
    const list = priceIn(rules, farms.get(node.farm), slot, intent.currency);
    return { ...slot, node: node.id, amount: lessPercent(list, percent) };
  });
}

/** Farms of a farmer that it sells in, as the directory has them. */
export function farmsForSale(
  { refuse }: FarmerRules,
  self: string,
  { farms }: Directory,
): readonly FarmId[] {
  const own = [...farms.values()].filter(({ owner }) => owner === (self as BotId));
  return own.flatMap(({ id, name, country }) => {
    const isRefused =
      refuse.countries.includes(country) || refuse.farms.some((one) => one === id || one === name);
    return isRefused ? [] : [id];
  });
}

function isForSale(
  { refuse }: FarmerRules,
  { id, name, isInService, presence }: DirectoryNode,
  farm: Farm | undefined,
): boolean {
  if (farm === undefined || !isInService || presence !== 'alive') return false;
  return !refuse.nodes.some((one) => one === id || one === name);
}

type Free = { -readonly [Name in keyof DirectoryNode['free']]: number };

function fits(free: Readonly<Free>, addresses: number, { ipv4, ...rest }: Resources): boolean {
  if (ipv4 > addresses) return false;
  return (
    rest.cpuMilli <= free.cpuMilli &&
    rest.memoryBytes <= free.memoryBytes &&
    rest.ssdBytes <= free.ssdBytes &&
    rest.hddBytes <= free.hddBytes
  );
}

function take(free: Free, { cpuMilli, memoryBytes, ssdBytes, hddBytes }: Resources): void {
  free.cpuMilli -= cpuMilli;
  free.memoryBytes -= memoryBytes;
  free.ssdBytes -= ssdBytes;
  free.hddBytes -= hddBytes;
}

function priceIn(
  rules: FarmerRules,
  farm: Farm | undefined,
  { role, resources }: WantedSlot,
  currency: string,
): bigint {
  if (farm === undefined) throw new TypeError('a node for sale is in no farm');
  if (!takesCurrency(rules, farm, currency)) {
    const takes = rules.prices?.map((one) => one.currency) ?? [farm.prices.currency];
    throw refusal('MARKET_CURRENCY_REFUSED', `${currency} is not taken in ${farm.name}`, { takes });
  }
  const price = listPrice(rules, farm, resources, currency);
  if (price !== undefined) return price;
  throw refusal('MARKET_UNPRICED', `${farm.name} has no price for all that ${role} takes`, {
    farm: farm.id,
    role,
  });
}

function noNode(node: string | undefined) {
  const what = node === undefined ? 'no node of this farmer is' : `the node ${node} is not`;
  return refusal('MARKET_NODE_REFUSED', `${what} in service and for sale`, { node: node ?? null });
}

function full({ role, replica, node }: WantedSlot) {
  const who = node === undefined ? 'no node has' : `the node ${node} has not the`;
  const details = { role, replica, node: node ?? null };
  return refusal('MARKET_FULL', `${who} room for ${role} ${replica}`, details);
}
