import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SigningKey } from '@commongrid/crypto';
import { interleave, ratioRow } from '@commongrid/system/bench';
import type { BenchRow } from '@commongrid/system/bench';
import { Bcdb } from '../src/bcdb.ts';
import type { Entry } from '../src/record/entry.ts';
import type { BcdbBenchRun } from './bcdb-bench-run.ts';
import { measured } from './measured.ts';
import type { Measured } from './measured.ts';
import {
  indexedSchema,
  makeWriter,
  plainSchema,
  prepare,
  sampleValue,
  signSamples,
} from './sample-records.ts';

const batch = 100;
const recordsPerRound = 10_000;

/** Batches that are on their way at a time: of one client who waits for each, and of several. */
const inFlights = [1, 4];

interface AppendCase {
  readonly name: string;
  readonly isIndexed: boolean;
  readonly inFlight: number;
}

/**
 * Signed appends in batches of 100, each durable before its client sends the next, beside SQLite,
 * which writes one transaction after the other.
 */
export async function appendRows(run: BcdbBenchRun): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const isIndexed of [false, true]) {
    for (const inFlight of inFlights) {
      const what = isIndexed ? ', 2 indexes and full text' : '';
      const name = `signed append, batches of 100${what}, ${inFlight} in flight`;
      if (run.wants(name)) rows.push(await appendRow(run, { name, isIndexed, inFlight }));
    }
  }
  return rows;
}

async function appendRow(run: BcdbBenchRun, one: AppendCase): Promise<BenchRow> {
  const { name, isIndexed, inFlight } = one;
  run.note(name);
  const count = run.sized(recordsPerRound);
  const dataDir = run.folder(`${isIndexed ? 'indexed' : 'plain'}-${inFlight}`);
  await using bcdb = await Bcdb.open({ dataDir, owner: SigningKey.generate() });
  await prepare(bcdb, isIndexed ? indexedSchema : plainSchema);
  const writer = await makeWriter(bcdb);
  const rival = new RivalTable(join(dataDir, 'rival.sqlite'), isIndexed);
  try {
    const { ours, rival: theirs } = await interleave<Measured>(run.rounds, {
      ours: async () => {
        const entries = signSamples(bcdb, writer, count);
        return measured(count, () => appendAll(bcdb, entries, one));
      },
      rival: async () => {
        const entries = signSamples(bcdb, writer, count);
        return measured(count, async () => rival.insertAll(entries));
      },
    });
    const rates = (all: readonly Measured[]): number[] => all.map(({ perSecond }) => perSecond);
    const note = `CPU us/record: ours ${cpuOf(ours)}, SQLite ${cpuOf(theirs)}`;
    const bounds = isIndexed ? { must: 0.5, aim: 0.7 } : { must: 0.3, aim: 0.5 };
    return ratioRow({
      name,
      unit: 'record/s',
      ours: rates(ours),
      rival: rates(theirs),
      note,
      ...bounds,
    });
  } finally {
    rival.close();
  }
}

/** Clients that each send a batch, wait for all receipts, and send the next that is left. */
async function appendAll(
  bcdb: Bcdb,
  entries: readonly Entry[],
  { inFlight, isIndexed }: AppendCase,
): Promise<void> {
  let sent = 0;
  const client = async (): Promise<void> => {
    while (sent < entries.length) {
      const next = entries.slice(sent, sent + batch);
      sent += batch;
      await Promise.all(next.map((entry) => bcdb.append(entry)));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, client));
  // What is indexed counts when it can be found.
  if (isIndexed) await bcdb.projection.waitFor(bcdb.head.size - 1);
}

function cpuOf(all: readonly Measured[]): string {
  const middle = all.map(({ cpuMicros }) => cpuMicros).toSorted((a, b) => a - b);
  return (middle[Math.floor(middle.length / 2)] ?? Number.NaN).toFixed(1);
}

/** The same bytes in a plain table: synchronous=FULL, one transaction a batch. */
class RivalTable {
  readonly #db: DatabaseSync;
  readonly #isIndexed: boolean;
  #index = 0;

  constructor(path: string, isIndexed: boolean) {
    this.#isIndexed = isIndexed;
    this.#db = new DatabaseSync(path);
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    this.#db.exec('CREATE TABLE record (seq INTEGER PRIMARY KEY, leaf BLOB, body BLOB) STRICT');
    if (!isIndexed) return;
    this.#db.exec(`CREATE TABLE object (id INTEGER PRIMARY KEY, name TEXT, email TEXT) STRICT;
      CREATE INDEX object_name ON object (name); CREATE INDEX object_email ON object (email);
      CREATE VIRTUAL TABLE word USING fts5(text, content = '', contentless_delete = 1)`);
  }

  insertAll(entries: readonly Entry[]): void {
    const record = this.#db.prepare('INSERT INTO record (leaf, body) VALUES (?, ?)');
    const object = this.#isIndexed
      ? this.#db.prepare('INSERT INTO object (id, name, email) VALUES (?, ?, ?)')
      : undefined;
    const words = this.#isIndexed
      ? this.#db.prepare('INSERT INTO word (rowid, text) VALUES (?, ?)')
      : undefined;
    for (let from = 0; from < entries.length; from += batch) {
      this.#db.exec('BEGIN');
      for (const { leaf, body } of entries.slice(from, from + batch)) {
        record.run(leaf, body ?? null);
        const { name, email, text } = sampleValue(++this.#index);
        object?.run(this.#index, name, email);
        words?.run(this.#index, text);
      }
      this.#db.exec('COMMIT');
    }
  }

  close(): void {
    this.#db.close();
  }
}
