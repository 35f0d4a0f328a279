import type { BenchOptions, BenchRow } from '../bench/index.ts';
import { controllerName, controllerRows } from './controller-rows.ts';
import { healName, healRows } from './heal-rows.ts';
import { LiveContracts } from './live-contract.ts';
import { LiveGrid } from './live-grid.ts';
import { shardRows, shardsName } from './shard-rows.ts';
import { startName, startRows } from './start-rows.ts';

/** Rows begin so. */
export const liveName = 'live';

/** What is measured on one grid, in this order. Names are what the names of the rows begin with. */
const parts: readonly {
  readonly name: string;
  readonly run: (
    options: BenchOptions,
    live: LiveGrid,
    contracts: LiveContracts,
  ) => Promise<readonly BenchRow[]>;
}[] = [
  { name: startName, run: startRows },
  { name: healName, run: healRows },
  { name: controllerName, run: controllerRows },
  { name: shardsName, run: shardRows },
];

/** What real machines need to make contracts true: needs root, as nodes do. */
export async function liveRows(options: BenchOptions): Promise<BenchRow[]> {
  const { only = '', signal } = options;
  options.note('a grid with two machines and two bots comes up');
  await using live = await LiveGrid.open(signal);
  const contracts = await LiveContracts.open(live);
  const rows: BenchRow[] = [];
  for (const { name, run } of parts) {
    if (name.includes(only) || only.includes(name)) {
      rows.push(...(await run(options, live, contracts)));
    }
  }
  return rows;
}
