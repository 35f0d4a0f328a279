import type { BenchOptions, BenchRow } from '../../bench/index.ts';
import { liveName, liveRows } from '../../live/live-rows.ts';
import { fleetName, fleetRows } from './fleet-rows.ts';

/** Parts of the benchmark, each with what the names of its rows begin with. */
const parts: readonly {
  readonly name: string;
  readonly run: (options: BenchOptions) => Promise<BenchRow[]>;
}[] = [
  { name: fleetName, run: fleetRows },
  { name: liveName, run: liveRows },
];

/** What it takes to keep contracts true. */
export async function run(options: BenchOptions): Promise<BenchRow[]> {
  const { only = '' } = options;
  const rows: BenchRow[] = [];
  for (const part of parts) {
    if (only !== '' && !part.name.includes(only) && !only.includes(part.name)) continue;
    rows.push(...(await part.run(options)));
  }
  return rows.filter(({ name }) => name.includes(only));
}
