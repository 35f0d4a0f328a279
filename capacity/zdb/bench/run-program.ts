import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { LoadResult, LoadSpec } from './load-spec.ts';

const execute = promisify(execFile);
const outputBytesMax = 16 * 1024 * 1024;
const loaderFile = fileURLToPath(new URL('load-main.ts', import.meta.url));

/** Runs the own loader in a process of its own. */
export async function runLoader(spec: LoadSpec, signal: AbortSignal): Promise<LoadResult> {
  const { stdout } = await execute(process.execPath, [loaderFile, JSON.stringify(spec)], {
    signal,
  });
  return JSON.parse(stdout) as LoadResult;
}

export interface RedisBenchmarkSpec {
  readonly port: number;
  readonly requests: number;
  readonly pipeline: number;
  /** Keys end in a random number below it, 12 digits, in the place of `__rand_int__`. */
  readonly keySpace: number;
  readonly command: readonly string[];
}

export interface RedisBenchmarkResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Runs redis-benchmark with 50 clients. It draws the same random numbers in each run, so runs that
 * write need keys of their own: another prefix.
 */
export async function runRedisBenchmark(
  spec: RedisBenchmarkSpec,
  signal: AbortSignal,
): Promise<RedisBenchmarkResult> {
  const args = ['-p', spec.port, '-c', 50, '-n', spec.requests, '-P', spec.pipeline];
  const all = [...args, '-r', spec.keySpace, '--csv', ...spec.command].map(String);
  const { stdout } = await execute('redis-benchmark', all, { signal, maxBuffer: outputBytesMax });
  // "test","rps","avg_latency_ms","min_latency_ms","p50_...","p95_...","p99_...","max_..."
  const fields = (stdout.trim().split('\n').at(-1) ?? '').split(',').slice(-7);
  const [perSecond, , , p50Ms, , p99Ms] = fields.map((field) => Number(field.replaceAll('"', '')));
  if (perSecond === undefined || p50Ms === undefined || p99Ms === undefined || !(perSecond > 0)) {
    throw new Error(`redis-benchmark gave no figures: ${stdout.slice(-300)}`);
  }
  return { perSecond, p50Ms, p99Ms };
}
