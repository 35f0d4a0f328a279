import { crc32 } from '@commongrid/base';
import { atLeastRow, interleave, median, ratioRow } from '@commongrid/system/bench';
import type { BenchRow } from '@commongrid/system/bench';
import { parityRow } from '../src/code/cauchy-matrix.ts';
import { ErasureCode } from '../src/code/erasure-code.ts';
import { instantiateKernels, kernelModule } from '../src/code/kernel.ts';
import type { SwizzleKind } from '../src/code/kernel.ts';
import { Mix, ShardMixer } from '../src/code/shard-mixer.ts';
import { webAssembly } from '../src/code/web-assembly.ts';
import { benchByte, IsaL } from './isa-l.ts';
import type { KernelLoad } from './isa-l.ts';
import type { ZstorBenchRun } from './zstor-bench-run.ts';

const chunkBytes = 4 * 2 ** 20;
const unit = 'MB/CPU-s';
/** What a kernel works through in a round: half a second and more. */
const kernelBytes = 5e9;
const bufferBytes = 3e9;
const musts: Readonly<Record<SwizzleKind, number>> = { relaxed: 0.6, plain: 0.45 };
const codes = [
  [16, 4],
  [4, 2],
] as const;

/** Reed-Solomon: the kernel beside ISA-L, then from and into Buffers. */
export async function codeRows(run: ZstorBenchRun): Promise<BenchRow[]> {
  const isaL = await IsaL.build(run.folder, run.signal);
  const rows: BenchRow[] = [];
  for (const [dataShards, parityShards] of codes) {
    for (const kind of ['relaxed', 'plain'] as const) {
      rows.push(...(await kernelRow(run, isaL, dataShards, parityShards, kind)));
    }
    rows.push(...(await bufferRows(run, dataShards, parityShards)));
  }
  return rows;
}

async function kernelRow(
  run: ZstorBenchRun,
  isaL: IsaL | undefined,
  dataShards: number,
  parityShards: number,
  kind: SwizzleKind,
): Promise<BenchRow[]> {
  const name = `kernel ${dataShards}+${parityShards}, ${kind} swizzle, beside ISA-L`;
  if (!run.wants(name)) return [];
  run.note(name);
  const shardBytes = chunkBytes / dataShards;
  const totalBytes = run.sized(kernelBytes);
  // As in the mixer, and for both sides: not a power of two from one shard to the next.
  const distanceBytes = shardBytes + 64;
  const load = { dataShards, parityShards, shardBytes, distanceBytes, totalBytes };
  const kernel = residentKernel(load, kind);
  const ours = (): number => run.mbPerCpuSecond(kernelBytes, chunkBytes, kernel.run);
  if (isaL === undefined) {
    const figures = Array.from({ length: run.rounds }, ours);
    return [atLeastRow({ name, unit, ours: median(figures), note: 'no gcc or no libisal-dev' })];
  }
  const rival = await isaL.encode({ ...load, totalBytes: 1 });
  kernel.run();
  if (kernel.crc() !== rival.crc) throw new Error(`${name}: the parities differ`);
  const sides = await interleave(run.rounds, {
    ours: async () => ours(),
    rival: async () => (await isaL.encode(load)).mbPerCpuSecond,
  });
  return [ratioRow({ name, unit, ...sides, must: musts[kind] })];
}

/** The kernel over shards that are in its memory. */
function residentKernel(
  load: KernelLoad,
  kind: SwizzleKind,
): { run: () => void; crc: () => number } {
  const { dataShards, parityShards, shardBytes, distanceBytes } = load;
  const rows = Array.from({ length: parityShards }, (_, at) =>
    parityRow(dataShards, dataShards + at),
  );
  const { tables } = new Mix(rows);
  const sources = Math.ceil(tables.length / 64) * 64;
  const outputs = sources + dataShards * distanceBytes;
  const pages = Math.ceil((outputs + parityShards * distanceBytes) / 2 ** 16);
  const memory = new webAssembly.Memory({ initial: pages, maximum: pages });
  const bytes = new Uint8Array(memory.buffer);
  bytes.set(tables);
  for (let shard = 0; shard < dataShards; shard++) {
    const at = sources + shard * distanceBytes;
    for (let i = 0; i < shardBytes; i++) bytes[at + i] = benchByte(shard, i);
  }
  // Both codes here are one group of rows.
  const kernel = instantiateKernels(kernelModule(kind), memory)[parityShards - 1];
  return {
    run: () => kernel?.(0, sources, outputs, distanceBytes, dataShards, shardBytes),
    crc: () => {
      let crc = 0;
      for (let parity = 0; parity < parityShards; parity++) {
        const at = outputs + parity * distanceBytes;
        crc = crc32(bytes.subarray(at, at + shardBytes), crc);
      }
      return crc;
    },
  };
}

async function bufferRows(
  run: ZstorBenchRun,
  dataShards: number,
  parityShards: number,
): Promise<BenchRow[]> {
  const name = `${dataShards}+${parityShards}`;
  const data = Array.from({ length: dataShards }, (_, shard) =>
    Buffer.alloc(chunkBytes / dataShards, shard + 1),
  );
  const outputs = Array.from({ length: parityShards }, () => Buffer.alloc(chunkBytes / dataShards));
  const code = new ErasureCode(dataShards, parityShards);
  const plainCode = new ErasureCode(
    dataShards,
    parityShards,
    new ShardMixer(kernelModule('plain')),
  );
  const lost = Array.from({ length: parityShards }, (_, index) => index);
  const left = [...data, ...code.encode(data)].map((shard, index) =>
    index < parityShards ? undefined : shard,
  );
  const measure = (work: () => void) => (): number =>
    run.mbPerCpuSecond(bufferBytes, chunkBytes, work);
  const encode = measure(() => void code.encode(data, outputs));
  const encodePlain = measure(() => void plainCode.encode(data, outputs));
  const reconstruct = measure(() => void code.reconstruct(left, lost, outputs));
  const repair = measure(() => void code.reconstruct(left, [0], outputs.slice(0, 1)));
  const rows: BenchRow[] = [];
  const single = (what: string, figure: () => number, must?: number): void => {
    if (!run.wants(`${what} ${name}`)) return;
    run.note(`${what} ${name}`);
    const ours = median(Array.from({ length: run.rounds }, figure));
    rows.push(atLeastRow({ name: `${what} ${name}`, unit, ours, ...(must ? { must } : {}) }));
  };
  single('Buffers, encode', encode, 2800);
  single('Buffers, encode with plain swizzle', encodePlain);
  single('Buffers, repair one shard', repair);
  const beside = `Buffers, ${parityShards} data shards lost, beside encode ${name}`;
  if (run.wants(beside)) {
    run.note(beside);
    const sides = await interleave(run.rounds, {
      ours: async () => reconstruct(),
      rival: async () => encode(),
    });
    rows.push(ratioRow({ name: beside, unit, ...sides, must: 0.9 }));
  }
  return rows;
}
