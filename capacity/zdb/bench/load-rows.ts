import { waitFor } from '@commongrid/base';
import { atMostRow, interleave, median, ratioRow } from '@commongrid/system/bench';
import type { BenchRow } from '@commongrid/system/bench';

import type { BenchRun } from './bench-run.ts';
import type { LoadResult, LoadSpec } from './load-spec.ts';
import { runLoader } from './run-program.ts';
import { describeBoth, rates, sampled } from './sample.ts';
import type { Sample } from './sample.ts';
import type { TestServer } from './test-server.ts';

/** They fit into the cache, as in the rows of redis-benchmark. */
const keys = 50_000;
const valueBytes = 512;
const namespaces = 100;
/** Values of each key before compaction begins: seven eighths of the log are dead. */
const versions = 8;
const p99MsMax = 50;
/** A SET of the value that is there writes nothing, which can happen by chance. */
const writtenPartMin = 0.99;

const names = {
  overwrite: 'overwrites P16 durable, changing values, 512 B',
  mix: 'mix 80/20 P16 durable, 512 B',
  mixP1: 'mix 80/20 P1 durable, 512 B',
  compacting: 'mix 80/20 P16 durable during compaction, against without',
  compactingP99: 'mix 80/20 P16 durable during compaction, p99',
  namespaces: '100 namespaces P16 durable, against one',
};

/** The own loader: what redis-benchmark cannot do. */
export async function loadRows(run: BenchRun): Promise<BenchRow[]> {
  return [...(await rivalRows(run)), ...(await compactionRows(run)), ...(await spreadRow(run))];
}

/** Overwrites and a mix, against Redis. */
async function rivalRows(run: BenchRun): Promise<BenchRow[]> {
  const cases = [
    { name: names.overwrite, work: 'overwrite', pipeline: 16 },
    { name: names.mix, work: 'mix', pipeline: 16 },
    { name: names.mixP1, work: 'mix', pipeline: 1 },
  ] as const;
  const wanted = cases.filter(({ name }) => run.wants(name));
  if (wanted.length === 0) return [];
  await using pair = await run.pair('always');
  await pair.each((server) => load(run, server, fillAll));
  const rows: BenchRow[] = [];
  for (const { name, work, pipeline } of wanted) {
    const spec = { work, pipeline, seconds: run.loadSeconds };
    await pair.each((server) => load(run, server, { ...spec, seconds: run.loadSeconds / 3 }));
    let loaderCores = 0;
    const samples = await pair.interleave(run.rounds, (server) =>
      loadSample(run, server, spec, (result) => {
        loaderCores = Math.max(loaderCores, result.loaderCores);
      }),
    );
    const note = `${describeBoth(samples)}, loader up to ${loaderCores.toFixed(2)} cores`;
    run.note(`${name}: ${note}`);
    const sides = { ours: rates(samples.ours), rival: rates(samples.rival) };
    rows.push(ratioRow({ name, unit: 'op/s', ...sides, note }));
  }
  return rows;
}

/** The mix with compaction at work, against the mix without it. */
async function compactionRows(run: BenchRun): Promise<BenchRow[]> {
  if (!run.wants(names.compacting, names.compactingP99)) return [];
  await using server = await run.start('ours', 'always');
  const name = 'mixed';
  await server.command('NSNEW', name);
  const mix: Partial<LoadSpec> = {
    work: 'mix',
    pipeline: 16,
    namespaces: [name],
    seconds: 2 * run.loadSeconds,
  };
  const without: Sample[] = [];
  const during: Sample[] = [];
  const busyParts: number[] = [];
  for (let round = 0; round < run.rounds; round++) {
    // While all history is kept there is nothing to compact.
    await server.command('NSSET', name, 'history', 'all');
    for (let version = 0; version < versions; version++) {
      await load(run, server, { ...fillAll, namespaces: [name] });
    }
    without.push(await loadSample(run, server, mix));
    await server.command('NSSET', name, 'history', 'latest');
    const compaction = new Compaction(server, name);
    during.push(await loadSample(run, server, mix));
    busyParts.push(await compaction.stop());
  }
  const p99Ms = Math.max(...during.map((sample) => sample.p99Ms));
  const note = `${describeBoth({ ours: during, rival: without })}, compacting ${(
    100 * Math.min(...busyParts)
  ).toFixed(0)}% of the time`;
  run.note(`${names.compacting}: ${note}`);
  const sides = { ours: rates(during), rival: rates(without) };
  return [
    ratioRow({ name: names.compacting, unit: 'op/s', ...sides, must: 0.5, note }),
    atMostRow({
      name: names.compactingP99,
      unit: 'ms',
      ours: p99Ms,
      must: p99MsMax,
      note: `the worst round; without ${median(without.map((sample) => sample.p99Ms)).toFixed(1)}`,
    }),
  ];
}

/** Asks for one compaction after the other, beside the load. */
class Compaction {
  readonly #startMs = performance.now();
  readonly #work: Promise<void>;
  #busyMs = 0;
  #isWanted = true;

  constructor(server: TestServer, namespace: string) {
    this.#work = this.#repeat(server, namespace);
    // A failure shows in stop().
    this.#work.catch(() => {});
  }

  async #repeat(server: TestServer, namespace: string): Promise<void> {
    while (this.#isWanted) {
      const startMs = performance.now();
      await server.command('COMPACT', namespace);
      this.#busyMs += performance.now() - startMs;
    }
  }

  /** Part of the time until now in which a compaction was asked for and not answered. */
  async stop(): Promise<number> {
    this.#isWanted = false;
    const loadMs = performance.now() - this.#startMs;
    await this.#work;
    return Math.min(1, this.#busyMs / loadMs);
  }
}

async function spreadRow(run: BenchRun): Promise<BenchRow[]> {
  if (!run.wants(names.namespaces)) return [];
  await using server = await run.start('ours', 'always');
  const all = Array.from({ length: namespaces }, (_, i) => `spread-${i}`);
  for (const name of ['one', ...all]) await server.command('NSNEW', name);
  let firstKey = 0;
  const sample = (within: readonly string[], seconds: number): Promise<Sample> => {
    firstKey += 10_000_000;
    const distinct = { work: 'fill', pipeline: 16, firstKey, keys: 10_000_000, seconds } as const;
    return loadSample(run, server, { ...distinct, connections: 100, namespaces: within });
  };
  for (const within of [all, ['one']]) await sample(within, run.loadSeconds / 3);
  const samples = await interleave(run.rounds, {
    ours: () => sample(all, run.loadSeconds),
    rival: () => sample(['one'], run.loadSeconds),
  });
  const note = `${describeBoth(samples)}; the other side is one namespace`;
  run.note(`${names.namespaces}: ${note}`);
  const sides = { ours: rates(samples.ours), rival: rates(samples.rival) };
  return [ratioRow({ name: names.namespaces, unit: 'op/s', ...sides, must: 0.6, note })];
}

/** Sets every key once. */
const fillAll: Partial<LoadSpec> = { work: 'fill', pipeline: 64 };

async function loadSample(
  run: BenchRun,
  server: TestServer,
  spec: Partial<LoadSpec>,
  seen: (result: LoadResult) => void = () => {},
): Promise<Sample> {
  return sampled(
    server,
    async () => {
      const result = await load(run, server, spec);
      seen(result);
      return result;
    },
    ({ requests }) => requests,
  );
}

/** Runs the loader with 50 connections; each GET must find, each SET must write. */
async function load(
  run: BenchRun,
  server: TestServer,
  spec: Partial<LoadSpec>,
): Promise<LoadResult> {
  const before = await recordsWritten(server);
  const result = await runLoader(
    {
      port: server.port,
      connections: 50,
      pipeline: 16,
      work: 'fill',
      prefix: 'key:',
      firstKey: 0,
      version: run.nextVersion(),
      keys,
      valueBytes,
      ...spec,
    },
    run.signal,
  );
  if (result.nils > 0) throw new Error(`${result.nils} of ${result.gets} GETs found nothing`);
  const sets = result.requests - result.gets;
  await waitFor(async () => (await recordsWritten(server)) - before >= sets * writtenPartMin, {
    timeoutMs: 10_000,
    what: `${server.product} to have written ${sets} records`,
    signal: run.signal,
  });
  return result;
}

/** Records that went to the log so far, also those that compaction has removed since. */
async function recordsWritten(server: TestServer): Promise<number> {
  if (server.product === 'ours') return server.info('last_sequence');
  return (await server.logBytes()) / valueBytes;
}
