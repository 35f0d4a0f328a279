import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { throwIfAborted } from '@commongrid/base';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';

import { deadRow } from './dead-row.ts';
import { listRows } from './list-rows.ts';
import { speedRows } from './speed-rows.ts';

/**
 * A head with its Zero-DBs beside the barest Node server on files; how it measures is in the README
 * here. Figures are MB (10^6 bytes of objects) per second of CPU time of all server processes.
 */
export async function run(options: BenchOptions): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'commongrid-bench-s3-'));
  try {
    return [
      ...(await speedRows(options, folder)),
      ...(await deadRow(options, folder)),
      ...listRows(options, folder),
    ];
  } catch (error) {
    throwIfAborted(options.signal);
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
