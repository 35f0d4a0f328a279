import { median } from '@commongrid/system/bench';

import type { TestServer } from './test-server.ts';

/** One side in one round. */
export interface Sample {
  readonly perSecond: number;
  /** CPU time of the server for one operation, all threads, user and system. */
  readonly cpuUs: number;
  readonly p99Ms: number;
}

/** Loads a server and watches what it costs. */
export async function sampled<T extends { readonly perSecond: number; readonly p99Ms: number }>(
  server: TestServer,
  load: () => Promise<T>,
  operationsOf: (result: T) => number,
): Promise<Sample> {
  const before = await server.cpuSeconds();
  const result = await load();
  const cpuSeconds = (await server.cpuSeconds()) - before;
  const cpuUs = (cpuSeconds * 1e6) / operationsOf(result);
  return { perSecond: result.perSecond, p99Ms: result.p99Ms, cpuUs };
}

export function rates(samples: readonly Sample[]): number[] {
  return samples.map(({ perSecond }) => perSecond);
}

/** CPU and latency of both sides in words. */
export function describeBoth(samples: {
  readonly ours: readonly Sample[];
  readonly rival: readonly Sample[];
}): string {
  const both = (of: (sample: Sample) => number): string =>
    `${median(samples.ours.map(of)).toFixed(1)} / ${median(samples.rival.map(of)).toFixed(1)}`;
  return `CPU us/op ${both(({ cpuUs }) => cpuUs)}, p99 ms ${both(({ p99Ms }) => p99Ms)}`;
}
