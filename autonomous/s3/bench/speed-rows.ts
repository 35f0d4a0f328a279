import { join } from 'node:path';

import { throwIfAborted } from '@commongrid/base';
import { interleave, median, ratioRow } from '@commongrid/system/bench';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';

import { sdkClient } from '../test/support/sdk-client.ts';
import { BenchServer } from './bench-servers.ts';
import type { Load, Sample } from './bench-servers.ts';
import { CreateBucketCommand } from '@aws-sdk/client-s3';

const mebibyte = 2 ** 20;

interface SpeedCase {
  readonly name: string;
  readonly method: 'PUT' | 'GET';
  readonly sizeBytes: number;
  readonly requests: number;
  readonly connections: number;
  /** What is put is there already. */
  readonly isAgain?: boolean;
  readonly must?: number;
  readonly aim?: number;
}

const cases: readonly SpeedCase[] = [
  { ...at('PUT 1 MiB', 'PUT', mebibyte, 400), must: 0.4, aim: 0.55 },
  { ...at('PUT 1 MiB again', 'PUT', mebibyte, 400), isAgain: true },
  { ...at('PUT 64 MiB', 'PUT', 64 * mebibyte, 8), connections: 2, must: 0.35, aim: 0.5 },
  { ...at('GET 1 MiB', 'GET', mebibyte, 1200), must: 0.45, aim: 0.6 },
  { ...at('GET 64 MiB', 'GET', 64 * mebibyte, 16), connections: 2, must: 0.45, aim: 0.6 },
  { ...at('PUT 4096 B', 'PUT', 4096, 4000), connections: 8, must: 0.25, aim: 0.4 },
  { ...at('GET 4096 B', 'GET', 4096, 8000), connections: 8, must: 0.35, aim: 0.5 },
];

function at(
  name: string,
  method: 'PUT' | 'GET',
  sizeBytes: number,
  requests: number,
): Omit<SpeedCase, 'must' | 'aim'> {
  return { name, method, sizeBytes, requests, connections: 4 };
}

/** 4+2 over six Zero-DBs beside one server on files. */
export async function speedRows(options: BenchOptions, folder: string): Promise<BenchRow[]> {
  const { only = '', signal, isQuick = false, note } = options;
  const wanted = cases.filter(({ name }) => name.includes(only));
  if (wanted.length === 0) return [];
  await using stack = new AsyncDisposableStack();
  const ours = stack.use(await BenchServer.openS3(join(folder, 's3'), '4+2', signal));
  const rival = stack.use(await BenchServer.openFiles(join(folder, 'files'), signal));
  await makeBucket(ours.port);
  const rounds = isQuick ? 1 : options.rounds;
  const rows: BenchRow[] = [];
  for (const one of wanted) {
    throwIfAborted(signal);
    note(`${one.name}, in turns with the rival`);
    rows.push(await speedRow(one, isQuick ? 10 : 1, rounds, { ours, rival }));
  }
  return rows;
}

export async function makeBucket(port: number): Promise<void> {
  const client = sdkClient({ port });
  await client.send(new CreateBucketCommand({ Bucket: 'bench' }));
  client.destroy();
}

async function speedRow(
  { name, must, aim, isAgain = false, ...one }: SpeedCase,
  part: number,
  rounds: number,
  servers: { readonly ours: BenchServer; readonly rival: BenchServer },
): Promise<BenchRow> {
  const requests = Math.ceil(one.requests / part);
  const objects = Math.min(requests, one.method === 'GET' ? 100 : requests);
  const load = { ...one, requests, objects, prefix: `${one.sizeBytes}` };
  const both = [servers.ours, servers.rival];
  // The engine compiles well what it has seen often; what is fetched has to be there.
  for (const server of both) {
    await server.load({ ...load, method: 'PUT', requests: objects });
    if (one.method === 'GET') await server.load(load);
  }
  let puts = 0;
  const next = (): Load =>
    one.method === 'GET' || isAgain ? load : { ...load, prefix: `${load.prefix}-${puts++}` };
  const megabytes = (requests * one.sizeBytes) / 1e6;
  const samples = await interleave(rounds, {
    ours: () => servers.ours.sample(next()),
    rival: () => servers.rival.sample(next()),
  });
  const rateOf = ({ headSeconds, behindSeconds }: Sample): number =>
    megabytes / (headSeconds + behindSeconds);
  return ratioRow({
    ...{ name, unit: 'MB/CPU-s', note: describe(samples, requests) },
    ...(must === undefined || aim === undefined ? {} : { must, aim }),
    ours: samples.ours.map(rateOf),
    rival: samples.rival.map(rateOf),
  });
}

function describe(
  { ours, rival }: { readonly ours: readonly Sample[]; readonly rival: readonly Sample[] },
  requests: number,
): string {
  const cpuMs = (samples: readonly Sample[], of: (sample: Sample) => number): string =>
    ((median(samples.map(of)) * 1000) / requests).toFixed(2);
  const p99 = (samples: readonly Sample[]): string =>
    median(samples.map(({ load }) => load.p99Ms)).toFixed(1);
  const head = cpuMs(ours, ({ headSeconds }) => headSeconds);
  const behind = cpuMs(ours, ({ behindSeconds }) => behindSeconds);
  const files = cpuMs(rival, ({ headSeconds }) => headSeconds);
  return (
    `CPU ms/request head ${head}, Zero-DBs ${behind}, rival ${files}; ` +
    `p99 ms ${p99(ours)} / ${p99(rival)}`
  );
}
