import { machineDiskBytes, memberCount, namespaceSizes } from './archive/archive-sizes.ts';
import type { Shards } from './archive/archive-sizes.ts';

/** Where a farm is, and what it asks for. */
export interface FarmPlan {
  /** Of the country, two small letters: also the first part of the names of what is there. */
  readonly code: string;
  readonly city: string;
  /** Prices of an hour, in millionths of a TFT. */
  readonly cu: number;
  readonly su: number;
  /** What the bot of the farmer quotes beyond the prices of its farm, percent; counters bring it down again. */
  readonly surchargePercent: number;
}

/** Farms of as many owners, each with so many machines. */
export interface TownPlan {
  readonly farms: readonly FarmPlan[];
  readonly nodesPerFarm: number;
  /** Disk of each machine. */
  readonly diskBytes: number;
  /** Machines by number whose folder is a file system of its own, which may be full. Default none. */
  readonly ownDisks?: readonly number[];
}

const usual = { cu: 40_000, su: 400_000, surchargePercent: 0 };

/**
 * The farms in their order. The first one asks for a little less than the others, so that plans always have it, and
 * its bot quotes more than that.
 */
const farms: readonly FarmPlan[] = [
  { code: 'be', city: 'Gent', cu: 36_000, su: 360_000, surchargePercent: 8 },
  { code: 'ch', city: 'Basel', ...usual, cu: 38_000, su: 380_000 },
  { code: 'eg', city: 'Cairo', ...usual },
  { code: 'us', city: 'Boston', ...usual },
  { code: 'at', city: 'Graz', ...usual },
  { code: 'za', city: 'Durban', ...usual },
];

/** Towns by how many machines they have. */
const sizes = {
  24: { farms, nodesPerFarm: 4 },
  8: { farms: farms.slice(0, 4), nodesPerFarm: 2 },
} as const satisfies Readonly<Record<number, Omit<TownPlan, 'diskBytes'>>>;

/** What a machine may have had: one that is killed twice keeps both for a day, and gets a third. */
const generations = 3;

export type TownSize = keyof typeof sizes;

/**
 * The town of so many machines for an archive.
 * @param dataBytes of the objects that it is to hold @param had what a machine may have had, so many times
 */
export function townPlan(
  size: TownSize,
  shards: Shards,
  dataBytes: number,
  had = generations,
): TownPlan {
  const diskBytes = machineDiskBytes(namespaceSizes(shards, dataBytes), had);
  return { ...sizes[size], diskBytes };
}

/** What the database, the hub and programs take beside the disks of machines. */
const otherDiskBytes = 4 * 2 ** 30;

/** What a town takes of the disk of this machine, bytes. */
export function townDiskBytes({ farms: all, nodesPerFarm, diskBytes }: TownPlan): number {
  return all.length * nodesPerFarm * diskBytes + otherDiskBytes;
}

/** Whether a town has places for all shards, and for the log and keys of their store, on what is left of it after each loss. */
export function bearsLosses({ farms: all, nodesPerFarm }: TownPlan, shards: Shards): boolean {
  const { data, parity } = shards;
  const withoutFarm = (all.length - 1) * Math.min(nodesPerFarm, parity);
  const withoutMachines = all.length * nodesPerFarm - parity;
  const left = Math.min(withoutFarm, withoutMachines);
  return parity > 0 && Math.max(data + parity, memberCount(shards)) <= left;
}

/** The currency of the demo: what the buyer has of it at first, and how fine it is. */
export const money = { code: 'TFT', decimals: 6, start: 1_000 } as const;
