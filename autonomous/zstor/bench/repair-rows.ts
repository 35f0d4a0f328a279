import { randomFillSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { delay, writeFileAtomic } from '@commongrid/base';
import { atLeastRow, median } from '@commongrid/system/bench';
import type { BenchRow } from '@commongrid/system/bench';
import type { CareStatus } from '../src/care/care-status.ts';
import { Stor } from '../src/stor.ts';
import { ZdbFleet } from '../src/testing/zdb-fleet.ts';
import type { ZstorBenchRun } from './zstor-bench-run.ts';

const mebibyte = 2 ** 20;
const fileBytes = 16 * mebibyte;

interface Code {
  readonly dataShards: number;
  readonly parityShards: number;
}

interface Repair {
  /** Of data whose shards were made again, 10^6 bytes for each second of CPU time of the head. */
  readonly perCpuSecond: number;
  /** For each second from the new backends file to the last shard. */
  readonly perSecond: number;
  readonly data: number;
}

/** How fast a head makes again what a lost backend had, once another one has its place. */
export async function repairRows(run: ZstorBenchRun): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const codes = [
    { dataShards: 4, parityShards: 2 },
    { dataShards: 16, parityShards: 4 },
  ];
  for (const code of codes) {
    const name = `repair ${code.dataShards}+${code.parityShards}, data of a backend that was replaced`;
    if (!run.wants(name)) continue;
    run.note(name);
    const found: Repair[] = [];
    for (let round = 0; round < run.rounds; round++) found.push(await measure(run, code));
    const ours = median(found.map(({ perCpuSecond }) => perCpuSecond));
    const rate = median(found.map(({ perSecond }) => perSecond));
    const note = `${found[0]?.data.toFixed(0)} MB of data, ${rate.toFixed(0)} MB/s by the clock`;
    rows.push(atLeastRow({ name, unit: 'MB/CPU-s', ours, must: 100, note }));
  }
  return rows;
}

/** Backends are processes of their own: their time does not count. */
async function measure(
  { sized, folder, signal }: Pick<ZstorBenchRun, 'sized' | 'folder' | 'signal'>,
  code: Code,
): Promise<Repair> {
  const count = code.dataShards + code.parityShards;
  await using fleet = await ZdbFleet.open(count + 1);
  const logs = 2 * code.parityShards + 1;
  const backendsFile = await fleet.makeStore('bench', { servers: count, logs });
  const policy = { ...code, chunkSizeBytes: 4 * mebibyte, compression: 'none' } as const;
  await using stor = await Stor.open({
    ...{ folder: join(folder, `repair-${count}-${Date.now()}`), backendsFile, policy },
    ...{ canBegin: true, signal },
  });
  const files = Math.max(1, Math.round(sized(400e6) / fileBytes));
  for (let at = 0; at < files; at++) {
    await stor.put(`file-${at}`, [randomFillSync(Buffer.alloc(fileBytes))]);
  }
  // The last one has no member of the log: what is measured is shards alone.
  const lost = count - 1;
  const entries = JSON.parse(await readFile(backendsFile, 'utf8')) as Record<string, unknown>[];
  const former = `${String(entries[lost]?.['address'])}/bench-shards`;
  await fleet.kill(lost);
  const next = entries.map((entry, at) => {
    if (at !== lost) return entry;
    const address = `127.0.0.1:${fleet.server(count).port}`;
    return { ...entry, address, node: `node-${count}`, replaces: [former] };
  });
  const [startedMs, cpu] = [performance.now(), process.cpuUsage()];
  await writeFileAtomic(backendsFile, JSON.stringify(next));
  for (let left = 1; left > 0;) {
    await delay(100, { signal });
    const status = (await stor.actions['status']?.(
      {},
      { signal, progress: () => {} },
    )) as CareStatus;
    left = status.repaired.chunks < chunksOf(files) ? 1 : status.pending;
  }
  const { user, system } = process.cpuUsage(cpu);
  const data = (files * fileBytes) / 1e6;
  const seconds = (performance.now() - startedMs) / 1e3;
  return { data, perCpuSecond: (data * 1e6) / (user + system), perSecond: data / seconds };
}

function chunksOf(files: number): number {
  return files * Math.ceil(fileBytes / (4 * mebibyte));
}
