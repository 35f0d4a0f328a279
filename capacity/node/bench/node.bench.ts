import { throwIfAborted } from '@commongrid/base';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';

import { BenchNode } from './bench-node.ts';
import { crowdRows } from './crowd-rows.ts';
import { startNames, startRows } from './start-rows.ts';

/** Promised to 250 containers, more than the machine has: they wait. */
const room = { cpuMilli: 125_000, memoryBytes: 4 * 2 ** 30, ssdBytes: 6 * 2 ** 30, hddBytes: 0 };

/** Containers by signed contracts, one and many; how it measures is in the README here. */
export async function run(options: BenchOptions): Promise<BenchRow[]> {
  const { only = '' } = options;
  const isOfStarts = startNames.some((name) => name.includes(only));
  const parts = only === '' ? [startRows, crowdRows] : [isOfStarts ? startRows : crowdRows];
  const rows: BenchRow[] = [];
  try {
    for (const part of parts) {
      await using node = await BenchNode.open(room);
      rows.push(...(await part(options, node)));
    }
    return rows.filter(({ name }) => name.includes(only));
  } catch (error) {
    throwIfAborted(options.signal);
    throw error;
  }
}
