import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { throwIfAborted } from '@commongrid/base';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';

import { bytesRows } from './bytes-rows.ts';
import { importRows } from './import-rows.ts';
import { mountRows } from './mount-rows.ts';
import { readRows } from './read-rows.ts';

/** Images that are started, mounted, read and imported; how it measures is in the README here. */
export async function run(options: BenchOptions): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'commongrid-bench-flist-'));
  try {
    const rows: BenchRow[] = [];
    for (const part of [bytesRows, mountRows, readRows, importRows]) {
      rows.push(...(await part(options, folder)));
    }
    return rows;
  } catch (error) {
    throwIfAborted(options.signal);
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
