import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { delay } from '@commongrid/base';
import { atMostRow } from '@commongrid/system/bench';
import type { BenchRow } from '@commongrid/system/bench';

import type { BenchRun } from './bench-run.ts';
import { quiet } from './memory-rows.ts';
import { runLoader } from './run-program.ts';

const emptyName = 'disk for an empty namespace';
const idleName = 'written in 10 s while idle';
const namespaces = 100;
const idleMs = 10_000;

/** What lies on disk, and what is written there, without need. */
export async function diskRows(run: BenchRun): Promise<BenchRow[]> {
  return [...(await emptyRow(run)), ...(await idleRow(run))];
}

async function emptyRow(run: BenchRun): Promise<BenchRow[]> {
  if (!run.wants(emptyName)) return [];
  await using server = await run.start('ours', 'always');
  const before = await usedBytes(server.dataDir);
  for (let i = 0; i < namespaces; i++) await server.command('NSNEW', `empty-${i}`);
  await quiet(server, run.signal);
  const ours = ((await usedBytes(server.dataDir)) - before) / namespaces / 1024;
  return [atMostRow({ name: emptyName, unit: 'KiB', ours, must: 64 })];
}

/** Bytes that the files of a folder take on the disk. */
async function usedBytes(folder: string): Promise<number> {
  const names = await readdir(folder);
  const stats = await Promise.all(names.map((name) => stat(join(folder, name))));
  return stats.reduce((sum, { blocks }) => sum + blocks * 512, 0);
}

async function idleRow(run: BenchRun): Promise<BenchRow[]> {
  if (!run.wants(idleName)) return [];
  await using server = await run.start('ours', 'everysec');
  await runLoader(
    {
      port: server.port,
      connections: 10,
      pipeline: 16,
      work: 'fill',
      prefix: 'key:',
      version: run.nextVersion(),
      firstKey: 0,
      keys: 100_000,
      valueBytes: 512,
    },
    run.signal,
  );
  // `everysec` syncs up to a second after the last write.
  await delay(1500, { signal: run.signal });
  await quiet(server, run.signal);
  run.note('watching an idle server');
  const before = { bytes: await server.proc('io', 'write_bytes'), cpu: await server.cpuSeconds() };
  await delay(idleMs, { signal: run.signal });
  const ours = (await server.proc('io', 'write_bytes')) - before.bytes;
  const cpuMs = ((await server.cpuSeconds()) - before.cpu) * 1000;
  const note = `CPU ${cpuMs.toFixed(0)} ms`;
  return [atMostRow({ name: idleName, unit: 'B', ours, must: 0, note })];
}
