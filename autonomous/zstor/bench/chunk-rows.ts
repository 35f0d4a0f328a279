import { createHash, randomBytes } from 'node:crypto';
import { atLeastRow, median } from '@commongrid/system/bench';
import type { BenchRow } from '@commongrid/system/bench';
import { Blob } from '../src/chunk/blob.ts';
import { sharedPool } from '../src/chunk/buffer-pool.ts';
import { openChunk, sealChunk } from '../src/chunk/chunk.ts';
import type { ChunkPolicy } from '../src/chunk/policy.ts';
import { parseShard } from '../src/chunk/shard.ts';
import type { ZstorBenchRun } from './zstor-bench-run.ts';

const chunkSizeBytes = 4 * 2 ** 20;
const totalBytes = 400e6;

/** The whole way of a chunk, in one thread. */
export function chunkRows(run: ZstorBenchRun): BenchRow[] {
  const policy = { dataShards: 16, parityShards: 4, chunkSizeBytes, compression: 'zstd' } as const;
  return [
    ...rowsOf(run, 'chunk 16+4', policy, { alone: 500, withMd5: 300 }),
    ...rowsOf(run, 'chunk 4+2', { ...policy, dataShards: 4, parityShards: 2 }, {}),
  ];
}

function rowsOf(
  run: ZstorBenchRun,
  name: string,
  policy: ChunkPolicy,
  musts: { readonly alone?: number; readonly withMd5?: number },
): BenchRow[] {
  // It does not shrink: the probe is paid for nothing, and all bytes go through all stages.
  const plaintext = randomBytes(chunkSizeBytes);
  const chunkId = randomBytes(16);
  const place = new Blob().nextPlace(true);
  const values = sealChunk(policy, place, chunkId, plaintext).shards.map(({ value }) => value);
  const md5 = createHash('md5');
  const { dataShards, parityShards } = policy;
  const open = (from: number): void => {
    const some = values.slice(from, from + dataShards).map((value) => parseShard(value));
    sharedPool().give(openChunk(place, chunkSizeBytes, some));
  };
  const seal = (): void => {
    sharedPool().give(sealChunk(policy, place, chunkId, plaintext).memory);
  };
  const rows: BenchRow[] = [];
  const row = (what: string, work: () => void, must?: number): void => {
    const full = `${name}, ${what}`;
    if (!run.wants(full)) return;
    run.note(full);
    const figures = Array.from({ length: run.rounds }, () =>
      run.mbPerCpuSecond(totalBytes, chunkSizeBytes, work),
    );
    const bound = must === undefined ? {} : { must };
    rows.push(atLeastRow({ name: full, unit: 'MB/CPU-s', ours: median(figures), ...bound }));
  };
  row('to shards', seal, musts.alone);
  row(
    'to shards, and MD5',
    () => {
      md5.update(plaintext);
      seal();
    },
    musts.withMd5,
  );
  row('back from its data shards', () => open(0));
  row(`back with ${parityShards} data shards lost`, () => open(parityShards));
  return rows;
}
