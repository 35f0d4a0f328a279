import type { Directory, DirectoryFarm, DirectoryNode } from '@commongrid/contract';
import { monthlyPrice, priceOf } from '@commongrid/model';
import type { BotId, Resources } from '@commongrid/model';

/** What somebody looks for. */
export interface NodeSearch {
  readonly resources: Resources;
  readonly countries?: readonly string[] | undefined;
  /** Names or ids. */
  readonly farms?: readonly string[] | undefined;
  readonly features?: readonly string[] | undefined;
  readonly currency?: string | undefined;
  /** Least part of the time that it was there in its newest summary. */
  readonly uptimeMin?: number | undefined;
  /** Most that a month may cost, smallest units of the currency. */
  readonly perMonthMax?: bigint | undefined;
}

/** A node that has room, and what that would cost. */
export interface FoundNode {
  readonly node: DirectoryNode;
  readonly farm: DirectoryFarm;
  readonly farmer: string;
  readonly currency: string;
  /** 30 days of the resources by the price list of the farm, smallest units. */
  readonly perMonth: bigint;
}

/** Nodes that live, have room, and are for sale; the cheapest first, by currency. */
export function searchNodes(directory: Directory, search: NodeSearch): readonly FoundNode[] {
  const found = directory.nodes.flatMap((node): FoundNode[] => {
    const farm = directory.farms.get(node.farm);
    if (farm === undefined || !hasRoom(node, farm, search.resources)) return [];
    const price = priceOf(farm.prices, search.resources);
    if (price === undefined || !isWanted(node, farm, search)) return [];
    const perMonth = monthlyPrice({ price });
    if (search.currency !== undefined && price.currency !== search.currency) return [];
    if (search.perMonthMax !== undefined && perMonth > search.perMonthMax) return [];
    const farmer = farmerOf(directory, farm.owner);
    return [{ node, farm, farmer, currency: price.currency, perMonth }];
  });
  return found.toSorted(byPrice);
}

function hasRoom(
  { isInService, presence, free }: DirectoryNode,
  { freeIpv4 }: DirectoryFarm,
  { cpuMilli, memoryBytes, ssdBytes, hddBytes, ipv4 }: Resources,
): boolean {
  if (!isInService || presence !== 'alive' || ipv4 > freeIpv4) return false;
  return (
    cpuMilli <= free.cpuMilli &&
    memoryBytes <= free.memoryBytes &&
    ssdBytes <= free.ssdBytes &&
    hddBytes <= free.hddBytes
  );
}

function isWanted(
  node: DirectoryNode,
  { id, name, country }: DirectoryFarm,
  { countries, farms, features = [], uptimeMin = 0 }: NodeSearch,
): boolean {
  const isInCountry = countries?.includes(country) ?? true;
  const isInFarm = farms?.some((one) => one === id || one === name) ?? true;
  const isThere = (node.uptime ?? 0) >= uptimeMin;
  return isInCountry && isInFarm && isThere && features.every((one) => node.features.has(one));
}

function farmerOf({ bots }: Directory, owner: BotId): string {
  return bots.get(owner) ?? owner;
}

function byPrice(a: FoundNode, b: FoundNode): number {
  if (a.currency !== b.currency) return a.currency < b.currency ? -1 : 1;
  if (a.perMonth !== b.perMonth) return a.perMonth < b.perMonth ? -1 : 1;
  return a.node.name < b.node.name ? -1 : 1;
}
