import { waitFor } from '@commongrid/base';
import { atLeastRow, ratioRow } from '@commongrid/system/bench';
import type { BenchRow } from '@commongrid/system/bench';

import type { BenchRun, ServerPair } from './bench-run.ts';
import { runLoader, runRedisBenchmark } from './run-program.ts';
import { describeBoth, rates, sampled } from './sample.ts';
import type { Sample } from './sample.ts';
import type { Durability, TestServer } from './test-server.ts';

/** One row of redis-benchmark against both. */
interface Case {
  readonly name: string;
  readonly pipeline: number;
  /** GET of this many keys, all there; absent: SET of distinct keys. */
  readonly keys?: number;
  readonly must?: number;
  readonly aim?: number;
  /** A second row: `ours` alone must reach so many operations a second. */
  readonly mustPerSecond?: number;
}

/** Cases that one pair of servers serves, in this order. */
interface Group {
  readonly durability: Durability;
  readonly valueBytes: number;
  readonly cases: readonly Case[];
}

const distinctKeySpace = 900_000_000;
/** Distinct random keys may meet by chance: 1 of 1000 in a run of 1.8 million. */
const grownPartMin = 0.99;
/** Without pipelining the noise of the machine is larger than what is measured. */
const extraRoundsP1 = 2;

const groups: readonly Group[] = [
  {
    durability: 'always',
    valueBytes: 512,
    cases: [
      { name: 'SET P16 durable', pipeline: 16, must: 0.7, aim: 1, mustPerSecond: 50_000 },
      { name: 'SET P1 durable', pipeline: 1, must: 0.5, aim: 0.9 },
    ],
  },
  {
    durability: 'everysec',
    valueBytes: 512,
    cases: [
      { name: 'SET P16 everysec', pipeline: 16, must: 0.8, aim: 1.2 },
      { name: 'SET P1 everysec', pipeline: 1, must: 0.75, aim: 1 },
    ],
  },
  {
    durability: 'everysec',
    valueBytes: 512,
    cases: [
      { name: 'GET P16 in cache', pipeline: 16, keys: 50_000, must: 0.6, aim: 1 },
      { name: 'GET P1', pipeline: 1, keys: 50_000, must: 0.9, aim: 1 },
      { name: 'GET P16 beyond', pipeline: 16, keys: 1_000_000, must: 0.35, aim: 0.6 },
    ],
  },
  {
    durability: 'always',
    valueBytes: 4096,
    cases: [
      { name: 'SET P16 durable', pipeline: 16 },
      { name: 'SET P1 durable', pipeline: 1 },
    ],
  },
  {
    durability: 'everysec',
    valueBytes: 4096,
    cases: [
      { name: 'SET P16 everysec', pipeline: 16 },
      { name: 'SET P1 everysec', pipeline: 1 },
    ],
  },
  {
    durability: 'everysec',
    valueBytes: 4096,
    cases: [
      // The cache holds 48 MiB, so there are fewer keys than with 512 B on both sides of it.
      { name: 'GET P16 in cache', pipeline: 16, keys: 10_000 },
      { name: 'GET P1', pipeline: 1, keys: 10_000 },
      { name: 'GET P16 beyond', pipeline: 16, keys: 100_000 },
    ],
  },
];

/** redis-benchmark with 50 clients against ours and Redis, in the same mode. */
export async function redisRows(run: BenchRun): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const group of groups) rows.push(...(await groupRows(run, group)));
  return rows;
}

async function groupRows(run: BenchRun, group: Group): Promise<BenchRow[]> {
  const wanted = group.cases.filter((one) => run.wants(...namesOf(group, one)));
  if (wanted.length === 0) return [];
  await using pair = await run.pair(group.durability);
  const rows: BenchRow[] = [];
  let filled = 0;
  for (const one of wanted) {
    const keys = one.keys ?? 0;
    if (keys > filled) await fill(run, pair, group.valueBytes, filled, keys);
    filled = Math.max(filled, keys);
    rows.push(...(await caseRows(run, pair, group, one)));
  }
  return rows;
}

function namesOf({ valueBytes }: Group, { name, keys, mustPerSecond }: Case): string[] {
  const size = valueBytes === 512 ? '512 B' : '4 KiB';
  const count = keys === undefined ? '' : `, ${keys.toLocaleString('en-US')} keys`;
  const full = `${name}, ${size}${count}`;
  return mustPerSecond === undefined ? [full] : [full, `${full}, absolute`];
}

/** Sets the keys up to `keys`, so that no GET can miss. */
async function fill(
  run: BenchRun,
  pair: ServerPair,
  valueBytes: number,
  firstKey: number,
  keys: number,
): Promise<void> {
  run.note(`filling ${keys} keys of ${valueBytes} B`);
  await pair.each(async (server) => {
    await runLoader(
      {
        port: server.port,
        connections: 16,
        pipeline: 64,
        work: 'fill',
        prefix: 'key:',
        version: run.nextVersion(),
        firstKey,
        keys: keys - firstKey,
        valueBytes,
      },
      run.signal,
    );
    const count = await server.keyCount();
    if (count !== keys) throw new Error(`${server.product} has ${count} of ${keys} keys`);
  });
}

async function caseRows(
  run: BenchRun,
  pair: ServerPair,
  group: Group,
  one: Case,
): Promise<BenchRow[]> {
  const [name = '', absolute] = namesOf(group, one);
  const measure = one.keys === undefined ? measureSet : measureGet;
  const job = { run, one, valueBytes: group.valueBytes };
  // The first run warms up, the second tells how many requests a round takes.
  let requests = 1000 * one.pipeline;
  for (const step of ['a', 'b']) {
    const now = requests;
    const seen = await pair.each((server) => measure(job, server, now, step));
    const perSecond = (seen.ours.perSecond + seen.rival.perSecond) / 2;
    requests = Math.ceil(perSecond * (step === 'a' ? run.loadSeconds / 3 : run.loadSeconds));
  }
  const rounds = one.pipeline === 1 && !run.isQuick ? run.rounds + extraRoundsP1 : run.rounds;
  const samples = await pair.interleave(rounds, (server, round) =>
    measure(job, server, requests, String(round)),
  );
  const facts = { unit: 'op/s', note: describeBoth(samples) };
  const ours = rates(samples.ours);
  const { must, aim, mustPerSecond } = one;
  const row = ratioRow({
    ...facts,
    name,
    ours,
    rival: rates(samples.rival),
    ...(must === undefined ? {} : { must }),
    ...(aim === undefined ? {} : { aim }),
  });
  run.note(`${name}: ${Math.round(row.ours)} op/s, ${row.ratio?.toFixed(2)}x; ${facts.note}`);
  if (absolute === undefined || mustPerSecond === undefined) return [row];
  return [row, atLeastRow({ name: absolute, unit: 'op/s', ours: row.ours, must: mustPerSecond })];
}

interface Job {
  readonly run: BenchRun;
  readonly one: Case;
  readonly valueBytes: number;
}

/** `step` goes into the keys: redis-benchmark draws the same numbers again in each run. */
async function measureSet(
  { run, one, valueBytes }: Job,
  server: TestServer,
  requests: number,
  step: string,
): Promise<Sample> {
  const before = { keys: await server.keyCount(), bytes: await server.logBytes() };
  const prefix = `${one.pipeline === 1 ? 's' : 'p'}${step.padStart(2, '0')}:`;
  const command = ['SET', `${prefix}__rand_int__`, 'v'.repeat(valueBytes)];
  const spec = { port: server.port, requests, pipeline: one.pipeline };
  const sample = await sampled(
    server,
    () => runRedisBenchmark({ ...spec, keySpace: distinctKeySpace, command }, run.signal),
    () => requests,
  );
  const keys = (await server.keyCount()) - before.keys;
  if (keys < requests * grownPartMin) {
    throw new Error(`${server.product} has ${keys} more keys after ${requests} SETs`);
  }
  // With `everysec` Redis keeps in memory what came during a slow sync, for up to two seconds.
  await waitFor(async () => (await server.logBytes()) - before.bytes >= keys * valueBytes, {
    timeoutMs: 10_000,
    what: `the log of ${server.product} to hold ${keys} values of ${valueBytes} B`,
    signal: run.signal,
  });
  return sample;
}

async function measureGet(
  { run, one, valueBytes }: Job,
  server: TestServer,
  requests: number,
): Promise<Sample> {
  const before = await hitEvidence(server);
  const command = ['GET', 'key:__rand_int__'];
  const spec = { port: server.port, requests, pipeline: one.pipeline, keySpace: one.keys ?? 0 };
  const sample = await sampled(
    server,
    () => runRedisBenchmark({ ...spec, command }, run.signal),
    () => requests,
  );
  const seen = (await hitEvidence(server)) - before;
  const needed =
    server.product === 'redis' ? requests : requests * (valueBytes + '$512\r\n\r\n'.length);
  if (seen < needed) throw new Error(`${server.product} missed: ${seen} of ${needed}`);
  return sample;
}

/** What a hit makes grow: Redis counts hits; ours has sent the value, where a miss sends 5 bytes. */
function hitEvidence(server: TestServer): Promise<number> {
  return server.info(server.product === 'redis' ? 'keyspace_hits' : 'network_tx_bytes');
}
