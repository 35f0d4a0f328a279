import { SigningKey } from '@commongrid/crypto';
import { atLeastRow, interleave, median, ratioRow } from '@commongrid/system/bench';
import type { BenchRow } from '@commongrid/system/bench';
import { Client } from 'pg';
import { Bcdb } from '../src/bcdb.ts';
import { PostgresLog } from '../src/log/postgres/postgres-log.ts';
import type { LogBatch } from '../src/log/log-engine.ts';
import { PostgresPair } from '../src/testing/postgres-pair.ts';
import type { BcdbBenchRun } from './bcdb-bench-run.ts';
import { makeWriters, plainSchema, prepare, signSamples } from './sample-records.ts';

const names = {
  batches: 'PostgreSQL with a synchronous standby, batches of 100',
  clients: 'PostgreSQL, 64 clients append one at a time',
} as const;

const batch = 100;
const clients = 64;

/** The log in PostgreSQL, beside rows that the same client inserts there. */
export async function postgresRows(run: BcdbBenchRun): Promise<BenchRow[]> {
  if (!run.wants(...Object.values(names))) return [];
  await using pair = await PostgresPair.open();
  const rows: BenchRow[] = [];
  if (run.wants(names.batches)) rows.push(await batchRow(run, pair));
  if (run.wants(names.clients)) rows.push(await clientsRow(run, pair));
  return rows;
}

async function batchRow(run: BcdbBenchRun, pair: PostgresPair): Promise<BenchRow> {
  run.note(names.batches);
  const batches = await sampleBatches(run);
  const records = batches.length * batch;
  const { ours, rival } = await interleave(run.rounds, {
    ours: async () => {
      const urls = pair.urls(await pair.createDatabase());
      await using log = await PostgresLog.open({ urls, log: new Uint8Array(32) });
      return await timed(records, async () => {
        for (const one of batches) await log.append(one);
      });
    },
    rival: async () => insertRate(pair, batches),
  });
  return ratioRow({ name: names.batches, unit: 'record/s', ours, rival, must: 0.4 });
}

/** Multi-row inserts of the same bytes, one statement a batch, each committed on both servers. */
async function insertRate(pair: PostgresPair, batches: readonly LogBatch[]): Promise<number> {
  const client = new Client({ connectionString: pair.primary.url(await pair.createDatabase()) });
  await client.connect();
  try {
    await client.query('CREATE TABLE record (seq bigint PRIMARY KEY, leaf bytea, body bytea)');
    return await timed(batches.length * batch, async () => {
      for (const { from, entries } of batches) {
        const places = entries.map((_, i) => `($${3 * i + 1}, $${3 * i + 2}, $${3 * i + 3})`);
        const values = entries.flatMap(({ leaf, body }, i) => [
          from + i,
          Buffer.from(leaf),
          Buffer.from(body ?? []),
        ]);
        const text = `INSERT INTO record VALUES ${places.join(', ')}`;
        await client.query({ name: 'insert', text, values });
      }
    });
  } finally {
    await client.end();
  }
}

/** Signed, judged and all: the whole database over PostgreSQL. */
async function clientsRow(run: BcdbBenchRun, pair: PostgresPair): Promise<BenchRow> {
  run.note(names.clients);
  const postgres = { urls: pair.urls(await pair.createDatabase()) };
  const dataDir = run.folder('postgres');
  await using bcdb = await Bcdb.open({ dataDir, owner: SigningKey.generate(), postgres });
  await prepare(bcdb, plainSchema);
  const writers = await makeWriters(bcdb, clients);
  const rates: number[] = [];
  const each = run.sized(100);
  for (let round = 0; round < run.rounds; round++) {
    const work = writers.map((writer) => signSamples(bcdb, writer, each));
    const rate = await timed(each * clients, async () => {
      await Promise.all(
        work.map(async (entries) => {
          for (const entry of entries) await bcdb.append(entry);
        }),
      );
    });
    rates.push(rate);
  }
  return atLeastRow({ name: names.clients, unit: 'record/s', ours: median(rates), must: 2000 });
}

/** Batches as a sequencer makes them. */
async function sampleBatches(run: BcdbBenchRun): Promise<readonly LogBatch[]> {
  const count = run.sized(100);
  const dataDir = run.folder(`batches`);
  await using bcdb = await Bcdb.open({ dataDir, owner: SigningKey.generate() });
  await prepare(bcdb, plainSchema);
  const [writer] = await makeWriters(bcdb, 1);
  if (writer === undefined) throw new Error('no key was made');
  const entries = signSamples(bcdb, writer, count * batch);
  return Array.from({ length: count }, (_, index) => {
    const from = index * batch;
    const head = { size: from + batch, root: new Uint8Array(32).fill(index + 1) };
    return { from, entries: entries.slice(from, from + batch), head };
  });
}

async function timed(count: number, work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return count / ((performance.now() - startedMs) / 1000);
}
