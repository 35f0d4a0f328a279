import type { Amount } from '../fields.ts';
import type { Resources } from '../records/contract-role.ts';
import type { Farm } from '../records/farm.ts';
import type { Lock } from '../records/lock.ts';

/** What prices are for, in thousandths of a unit. */
export interface CloudUnits {
  /** Compute: 4 GiB of memory and two processors, whichever a workload has less of. */
  readonly cuMilli: bigint;
  /** Storage: 300 GiB of SSD, or 1200 GiB of disk. */
  readonly suMilli: bigint;
  /** Public IPv4 addresses. */
  readonly ipv4Milli: bigint;
}

const gib = 1n << 30n;

/**
 * The cloud units of resources, rounded up:
 *
 *     CU = min(memory / 4 GiB, processors / 2)
 *     SU = SSD / 300 GiB + disk / 1200 GiB
 *
 * Network units (GB sent) are counted by receipts, not kept by a lock.
 */
export function cloudUnits(resources: Resources): CloudUnits {
  const { cpuMilli, memoryBytes, ssdBytes, hddBytes, ipv4 } = resources;
  const byMemory = up(BigInt(memoryBytes) * 1000n, 4n * gib);
  const byProcessors = up(BigInt(cpuMilli), 2n);
  return {
    cuMilli: byMemory < byProcessors ? byMemory : byProcessors,
    suMilli: up((BigInt(ssdBytes) * 4n + BigInt(hddBytes)) * 1000n, 1200n * gib),
    ipv4Milli: BigInt(ipv4) * 1000n,
  };
}

/**
 * What an hour of resources costs at a farm's prices, rounded up to the smallest unit; undefined where
 * it takes something that the farm does not sell.
 */
export function priceOf(prices: Farm['prices'], resources: Resources): Lock['price'] | undefined {
  const { cuMilli, suMilli, ipv4Milli } = cloudUnits(resources);
  const parts = [
    [cuMilli, prices.cu],
    [suMilli, prices.su],
    [ipv4Milli, prices.ipv4],
  ] as const;
  let sum = 0n;
  for (const [unitsMilli, price] of parts) {
    if (unitsMilli === 0n) continue;
    if (price === undefined) return undefined;
    sum += unitsMilli * BigInt(price);
  }
  const amount = String(up(sum, 1000n * BigInt(prices.unitHours))) as Amount;
  return { amount, currency: prices.currency, perSeconds: 3600 };
}

function up(value: bigint, by: bigint): bigint {
  return (value + by - 1n) / by;
}
