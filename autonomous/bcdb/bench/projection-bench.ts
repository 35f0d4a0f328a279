import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { canonicalBytes } from '@commongrid/crypto';
import { Type } from 'typebox';
import { ProjectionReader } from '../src/projection/projection-reader.ts';
import { ProjectionService } from '../src/projection/projection-service.ts';
import { ProjectionWriter } from '../src/projection/projection-writer.ts';
import { indexed, searchable, Text } from '../src/schema/fields.ts';
import { parseSchema } from '../src/schema/schema-document.ts';
import type { Effect, EffectBatch } from '../src/state/effect.ts';
import { sampleValue } from './sample-records.ts';
import type { SampleValue } from './sample-records.ts';

/** One way of doing the same work, and how quick it was. */
export interface ProjectionResult {
  readonly name: string;
  readonly perSecond: number;
  /** User and system time of the process, all threads. */
  readonly cpuMicrosPerRecord: number;
}

export interface ProjectionBenchOptions {
  readonly records: number;
  readonly batch: number;
}

const url = 'net.example.contact.1';
const schema = parseSchema(
  Type.Object({
    name: indexed(Text()),
    email: indexed(Text()),
    text: searchable(Text()),
  }),
);

/**
 * Records of some 300 bytes with two indexed fields and full text, applied to the projection and to
 * a plain SQLite table with the same indexes and full text.
 */
export async function projectionBench(
  options: ProjectionBenchOptions,
): Promise<readonly ProjectionResult[]> {
  const batches = [...batchesOf(options)];
  const folder = mkdtempSync(join(tmpdir(), 'bcdb-projection-bench-'));
  try {
    return [
      await timed('plain SQLite', options.records, () => plain(join(folder, 'plain.db'), batches)),
      await timed('projection, on its thread', options.records, () => {
        using writer = ProjectionWriter.open({ folder: join(folder, 'a') });
        for (const batch of batches) writer.apply(batch);
      }),
      await timed('projection, as a service', options.records, async () => {
        await using service = await ProjectionService.open({
          folder: join(folder, 'b'),
          catchUp: async function* catchUp(from) {
            for (const batch of batches) if (batch.size > from) yield batch;
          },
        });
        await service.waitFor(options.records - 1);
      }),
      await timed('get by id', options.records, () => {
        using reader = new ProjectionReader(join(folder, 'a'));
        for (let i = 1; i < options.records; i++) {
          if (reader.get('home', url, `contact-${i}`) === undefined) throw new Error(`no ${i}`);
        }
      }),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function timed(
  name: string,
  records: number,
  work: () => void | Promise<void>,
): Promise<ProjectionResult> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { name, perSecond: records / seconds, cpuMicrosPerRecord: (user + system) / records };
}

function* batchesOf({ records, batch }: ProjectionBenchOptions): Generator<EffectBatch> {
  const root = new Uint8Array(32);
  for (let from = 0; from < records; from += batch) {
    const size = Math.min(from + batch, records);
    const effects: Effect[] = [];
    for (let seq = from; seq < size; seq++) effects.push(effectOf(seq));
    yield { from, size, root, effects };
  }
}

function effectOf(seq: number): Effect {
  const common = {
    kind: 'put',
    ns: 'home',
    seq,
    origin: seq,
    version: String(seq).padStart(43, 'A'),
    author: `ed25519:${'A'.repeat(43)}`,
    at: 1_700_000_000_000 + Math.floor(seq / 1000) * 1000,
  } as const;
  if (seq === 0) {
    const payload = canonicalBytes({ url, schema: schema.root });
    return { ...common, url: 'bcdb.schema.1', obj: schema.id, schema: undefined, payload };
  }
  const payload = canonicalBytes(sampleValue(seq));
  return { ...common, url, obj: `contact-${seq}`, schema: schema.id, payload };
}

/** The same rows, indexes and words, written as plainly as can be. */
function plain(path: string, batches: readonly EffectBatch[]): void {
  using db = new DatabaseSync(path);
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32768;
    CREATE TABLE o (id INTEGER PRIMARY KEY, obj TEXT NOT NULL UNIQUE, seq INTEGER, payload TEXT,
      name TEXT, email TEXT) STRICT;
    CREATE INDEX o_name ON o (name);
    CREATE INDEX o_email ON o (email);
    CREATE VIRTUAL TABLE t USING fts5(text, content = '', contentless_delete = 1)`);
  const insert = db.prepare(
    'INSERT INTO o (obj, seq, payload, name, email) VALUES (?, ?, ?, ?, ?)',
  );
  const words = db.prepare('INSERT INTO t (rowid, text) VALUES (?, ?)');
  for (const { effects } of batches) {
    db.exec('BEGIN');
    for (const effect of effects) {
      if (effect.kind !== 'put' || effect.url !== url || effect.payload === undefined) continue;
      const payload = Buffer.from(effect.payload).toString();
      const { name, email, text } = JSON.parse(payload) as SampleValue;
      insert.run(effect.obj, effect.seq, payload, name, email);
      words.run(effect.seq, text);
    }
    db.exec('COMMIT');
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      records: { type: 'string', default: '50000' },
      batch: { type: 'string', default: '100' },
    },
  });
  const results = await projectionBench({
    records: Number(values.records),
    batch: Number(values.batch),
  });
  for (const { name, perSecond, cpuMicrosPerRecord } of results) {
    const rate = Math.round(perSecond).toLocaleString('en');
    console.log(`${name.padEnd(28)} ${rate.padStart(10)}/s  ${cpuMicrosPerRecord.toFixed(1)} us`);
  }
}
