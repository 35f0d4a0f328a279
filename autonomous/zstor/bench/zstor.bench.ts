import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { throwIfAborted } from '@commongrid/base';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';
import { chunkRows } from './chunk-rows.ts';
import { codeRows } from './code-rows.ts';
import { overheadRows } from './overhead-rows.ts';
import { repairRows } from './repair-rows.ts';
import { threadRows } from './thread-rows.ts';
import { ZstorBenchRun } from './zstor-bench-run.ts';

/**
 * The coding core of Zero-Stor. Figures are MB (10^6 bytes of data, not of shards) per second of CPU
 * time, so that other work on the machine changes them little; the rival works in turns with ours.
 */
export async function run(options: BenchOptions): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'commongrid-bench-zstor-'));
  try {
    const benchRun = new ZstorBenchRun(options, folder);
    return [
      ...(await codeRows(benchRun)),
      ...chunkRows(benchRun),
      ...(await threadRows(benchRun)),
      ...(await overheadRows(benchRun)),
      ...(await repairRows(benchRun)),
    ];
  } catch (error) {
    throwIfAborted(options.signal);
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
