import type { Lock, Resources } from '@commongrid/model';
import type { MarketLog } from './market-log.ts';

/** What a buyer has of a farmer. */
export interface BuyerUse {
  readonly locks: number;
  readonly resources: Resources;
}

/** Names of resources, in the order in which they are told. */
export const resourceNames = ['cpuMilli', 'memoryBytes', 'ssdBytes', 'hddBytes', 'ipv4'] as const;

/**
 * What a farmer keeps for a buyer: locks that wait for money or for their place, and those of what is
 * placed. It is the word of the database.
 */
export async function readBuyerUse(
  log: MarketLog,
  { buyer, farmer, nowMs }: { buyer: string; farmer: string; nowMs: number },
  signal: AbortSignal,
): Promise<BuyerUse> {
  const locks = await log.locksFor(buyer, farmer, signal);
  const waiting = locks.filter(({ expiresMs }) => nowMs < expiresMs);
  const others = locks.filter(({ expiresMs }) => nowMs >= expiresMs);
  const placed: Lock[] = [];
  for (const [contract, ofContract] of Map.groupBy(others, (lock) => lock.contract)) {
    const placement = await log.current('grid', 'grid.placement.1', contract, signal);
    const used = new Set(placement?.items.map(({ lock }) => lock));
    placed.push(...ofContract.filter(({ id }) => used.has(id)));
  }
  return sumOf([...waiting, ...placed]);
}

function sumOf(locks: readonly Lock[]): BuyerUse {
  const total = (name: (typeof resourceNames)[number]): number =>
    locks.reduce((sum, { resources }) => sum + resources[name], 0);
  return {
    locks: locks.length,
    resources: {
      ...{ cpuMilli: total('cpuMilli'), memoryBytes: total('memoryBytes') },
      ...{ ssdBytes: total('ssdBytes'), hddBytes: total('hddBytes'), ipv4: total('ipv4') },
    },
  };
}
