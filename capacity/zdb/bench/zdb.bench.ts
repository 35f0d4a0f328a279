import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { throwIfAborted } from '@commongrid/base';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';

import { BenchRun } from './bench-run.ts';
import { diskRows } from './disk-rows.ts';
import { loadRows } from './load-rows.ts';
import { memoryRows } from './memory-rows.ts';
import { redisRows } from './redis-rows.ts';

/** Zero-DB beside redis-server on this machine; how it measures is in the README here. */
export async function run(options: BenchOptions): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'commongrid-bench-zdb-'));
  const benchRun = new BenchRun(options, folder);
  try {
    const rows: BenchRow[] = [];
    for (const part of [redisRows, loadRows, memoryRows, diskRows]) {
      rows.push(...(await part(benchRun)));
    }
    return rows;
  } catch (error) {
    // A program that was stopped with us fails in words of its own.
    throwIfAborted(options.signal);
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
