import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { interleave, median, ratioRow } from '@commongrid/system/bench';
import type { BenchRow } from '@commongrid/system/bench';
import { Blob } from '../src/chunk/blob.ts';
import type { ChunkPlace } from '../src/chunk/blob.ts';
import { sharedPool } from '../src/chunk/buffer-pool.ts';
import type { ChunkPolicy } from '../src/chunk/policy.ts';
import { CodingThreads } from '../src/threads/coding-threads.ts';
import type { ZstorBenchRun } from './zstor-bench-run.ts';

const chunkSizeBytes = 4 * 2 ** 20;
const policy: ChunkPolicy = {
  dataShards: 16,
  parityShards: 4,
  chunkSizeBytes,
  compression: 'zstd',
};
const totalBytes = 400e6;
const chunkId = randomBytes(16);
/** Chunks of a stream under way at a time. */
const chunksAtATime = 3;

interface Figures {
  readonly mbPerSecond: number;
  readonly mbPerCpuSecond: number;
  /** Part of the time in which the main thread could do nothing else. */
  readonly busy: number;
}

/** Whether threads pay: the same stream, with its MD5, beside the main thread and in it. */
export async function threadRows(run: ZstorBenchRun): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const count of new Set([1, Math.min(4, availableParallelism())])) {
    const name = `stream 16+4 with MD5, ${count} coding threads, beside in place`;
    if (!run.wants(name)) continue;
    run.note(name);
    await using threads = CodingThreads.open({ count, inPlaceBytesMax: -1 });
    await using inPlace = CodingThreads.open({ count: 0 });
    const { ours, rival } = await interleave(run.rounds, {
      ours: () => measure(run, threads),
      rival: () => measure(run, inPlace),
    });
    const rate = (figures: Figures[]): number[] => figures.map(({ mbPerSecond }) => mbPerSecond);
    const note = `threads: ${words(ours)}; in place: ${words(rival)}`;
    rows.push(ratioRow({ name, unit: 'MB/s', ours: rate(ours), rival: rate(rival), note }));
  }
  return rows;
}

async function measure(run: ZstorBenchRun, threads: CodingThreads): Promise<Figures> {
  await stream(threads, 4);
  run.signal.throwIfAborted();
  const chunks = Math.ceil(run.sized(totalBytes) / chunkSizeBytes);
  const cpu = process.cpuUsage();
  const loop = performance.eventLoopUtilization();
  const start = performance.now();
  await stream(threads, chunks);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const bytes = chunks * chunkSizeBytes;
  return {
    mbPerSecond: bytes / 1e6 / seconds,
    mbPerCpuSecond: bytes / (user + system),
    busy: performance.eventLoopUtilization(loop).utilization,
  };
}

/** MD5 goes chunk after chunk; sealing one overlaps with the MD5 of the next. */
async function stream(threads: CodingThreads, chunks: number): Promise<void> {
  const blob = new Blob();
  const sample = randomBytes(chunkSizeBytes);
  await using md5 = threads.md5();
  const sealing = new Set<Promise<void>>();
  for (let at = 0; at < chunks; at++) {
    const plaintext = sharedPool().take(chunkSizeBytes);
    plaintext.set(sample);
    const hashed = await md5.update(plaintext);
    const place = blob.nextPlace(at === chunks - 1);
    const sealed = sealAndDrop(threads, place, hashed);
    sealing.add(sealed);
    void sealed.finally(() => sealing.delete(sealed));
    if (sealing.size >= chunksAtATime) await Promise.race(sealing);
    // In place nothing waits: let the loop turn as it would between packets.
    await setImmediate();
  }
  await Promise.all(sealing);
  await md5.digest();
}

async function sealAndDrop(
  threads: CodingThreads,
  place: ChunkPlace,
  plaintext: Buffer<ArrayBuffer>,
): Promise<void> {
  const { memory } = await threads.seal(policy, place, chunkId, plaintext);
  sharedPool().give(memory);
}

function words(figures: Figures[]): string {
  const cpu = median(figures.map(({ mbPerCpuSecond }) => mbPerCpuSecond));
  const busy = median(figures.map((each) => each.busy));
  return `${cpu.toFixed(0)} MB/CPU-s, main thread busy ${(busy * 100).toFixed(0)} %`;
}
