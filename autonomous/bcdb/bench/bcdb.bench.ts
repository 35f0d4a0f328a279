import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { throwIfAborted } from '@commongrid/base';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';
import { appendRows } from './append-rows.ts';
import { BcdbBenchRun } from './bcdb-bench-run.ts';
import { doorRows } from './door-rows.ts';
import { feedsRows } from './feeds-rows.ts';
import { newsRows } from './news-rows.ts';
import { postgresRows } from './postgres-rows.ts';
import { storageRows } from './storage-rows.ts';

/** BCDB beside SQLite and Redis on this machine; how it measures is in the README here. */
export async function run(options: BenchOptions): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'commongrid-bench-bcdb-'));
  const benchRun = new BcdbBenchRun(options, folder);
  try {
    const rows: BenchRow[] = [];
    for (const part of [appendRows, doorRows, postgresRows, storageRows, feedsRows, newsRows]) {
      throwIfAborted(options.signal);
      rows.push(...(await part(benchRun)));
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
