import { join } from 'node:path';

import { throwIfAborted } from '@commongrid/base';
import { atMostRow, median } from '@commongrid/system/bench';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';

import { BenchServer } from './bench-servers.ts';
import { makeBucket } from './speed-rows.ts';

const name = 'GET 1 MiB with 4 of 20 dead, p99';
const dead = [1, 6, 11, 16];

/** 16+4 on 20 Zero-DBs: how much slower the slowest reads are without four of them. */
export async function deadRow(options: BenchOptions, folder: string): Promise<BenchRow[]> {
  const { only = '', signal, isQuick = false, note } = options;
  if (!name.includes(only)) return [];
  await using server = await BenchServer.openS3(join(folder, 's3-20'), '16+4', signal);
  await makeBucket(server.port);
  const objects = isQuick ? 20 : 100;
  const common = { prefix: 'dead', objects, sizeBytes: 2 ** 20, connections: 1 } as const;
  await server.load({ ...common, method: 'PUT', requests: objects });
  const get = { ...common, method: 'GET', requests: isQuick ? 100 : 400 } as const;
  await server.load(get);
  const rounds: { readonly healthyMs: number; readonly deadMs: number }[] = [];
  for (let round = 0; round < (isQuick ? 1 : options.rounds); round++) {
    throwIfAborted(signal);
    note(`${name}, round ${round + 1}`);
    const healthy = await server.load(get);
    await server.fleet?.kill(...dead);
    const without = await server.load(get);
    await server.fleet?.restart(...dead);
    // Suspects are asked again every second.
    await server.load(get);
    rounds.push({ healthyMs: healthy.p99Ms, deadMs: without.p99Ms });
  }
  const ours = median(rounds.map(({ healthyMs, deadMs }) => deadMs / healthyMs));
  const healthyMs = median(rounds.map((round) => round.healthyMs)).toFixed(1);
  const deadMs = median(rounds.map((round) => round.deadMs)).toFixed(1);
  return [atMostRow({ name, unit: 'x', ours, must: 2, note: `${healthyMs} ms -> ${deadMs} ms` })];
}
