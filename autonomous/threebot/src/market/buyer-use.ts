import type { Lock, Resources } from '@commongrid/model';
import type { MarketLog } from './market-log.ts';

/** What a buyer has of a farmer. */
export interface BuyerUse {
  readonly locks: number;
  readonly resources: Resources;
  /** Locks of the last hour that lapsed unpaid; no more are counted than `lapsedCountedMax`. */
  readonly lapsed: number;
}

/** Lapsed locks that are looked at: beyond it a buyer is no better. */
export const lapsedCountedMax = 256;

const hourMs = 3_600_000;

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
  const idle: Lock[] = [];
  for (const [contract, ofContract] of Map.groupBy(others, (lock) => lock.contract)) {
    const placement = await log.current('grid', 'grid.placement.1', contract, signal);
    const used = new Set(placement?.items.map(({ lock }) => lock));
    for (const lock of ofContract) (used.has(lock.id) ? placed : idle).push(lock);
  }
  const recent = idle.filter(({ expiresMs }) => nowMs - expiresMs < hourMs);
  return { ...sumOf([...waiting, ...placed]), lapsed: await unpaidOf(log, recent, signal) };
}

async function unpaidOf(
  log: MarketLog,
  locks: readonly Lock[],
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  for (const { id } of locks.slice(-lapsedCountedMax)) {
    const escrow = await log.current('wallet', 'grid.escrow.1', id, signal);
    if (escrow === undefined) count++;
  }
  return count;
}

function sumOf(locks: readonly Lock[]): Omit<BuyerUse, 'lapsed'> {
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
