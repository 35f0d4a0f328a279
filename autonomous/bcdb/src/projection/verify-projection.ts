import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { EffectBatch } from '../state/effect.ts';
import { corrupt, namespaceFile } from './namespace-file.ts';
import { ProjectionWriter } from './projection-writer.ts';
import { quoted } from './view-sql.ts';

export interface VerifyOptions {
  readonly folder: string;
  readonly ns: string;
  /** All effects of the log from its beginning up to the size of the file. */
  readonly effects: AsyncIterable<EffectBatch>;
}

/**
 * Compares a file, row by row and word by word, with one that is made from the log on the spot.
 * Finds what a check of the file itself cannot: a value that somebody changed in a sound way.
 * @throws BCDB_PROJECTION_CORRUPT with `details.table` and, for a row, `details.seq`
 */
export async function verifyProjection({ folder, ns, effects }: VerifyOptions): Promise<void> {
  const scratch = mkdtempSync(join(folder, 'verify-'));
  try {
    const writer = ProjectionWriter.open({ folder: scratch, isChecked: false });
    try {
      for await (const batch of effects) {
        const ofNamespace = batch.effects.filter((effect) => effect.ns === ns);
        writer.apply({ ...batch, effects: ofNamespace });
      }
    } finally {
      writer.close();
    }
    compareFiles(namespaceFile(folder, ns), namespaceFile(scratch, ns));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function compareFiles(path: string, expected: string): void {
  using db = new DatabaseSync(path, { readOnly: true });
  db.prepare('ATTACH ? AS expected').run(`file:${encodeURI(expected)}?mode=ro`);
  const names = 'SELECT type, name, sql FROM';
  const change = difference(db, `${names} main.sqlite_schema`, `${names} expected.sqlite_schema`);
  if (change !== undefined) {
    throw corrupt(path, `its table ${String(change['name'])} is not as the log makes it`);
  }
  const tables = db
    .prepare("SELECT name, sql FROM main.sqlite_schema WHERE type = 'table'")
    .all()
    .map(({ name, sql }) => ({ name: String(name), sql: String(sql) }));
  for (const { name, sql } of tables) {
    // The tables behind full text depend on how batches were cut; their words do not.
    if (/^_t\d+_/.test(name)) continue;
    if (sql.startsWith('CREATE VIRTUAL')) compareWords(db, path, name);
    else compareTable(db, path, name);
  }
}

function compareTable(db: DatabaseSync, path: string, table: string): void {
  const filter = table === '_meta' ? "WHERE key NOT IN ('applied', 'root')" : '';
  const select = (schema: string): string => `SELECT * FROM ${schema}.${quoted(table)} ${filter}`;
  const row = difference(db, select('main'), select('expected'));
  if (row === undefined) return;
  throw rowCorrupt(path, table, row['seq'], row['obj']);
}

function compareWords(db: DatabaseSync, path: string, table: string): void {
  for (const schema of ['main', 'expected']) {
    db.exec(`CREATE VIRTUAL TABLE temp.${quoted(`${schema}${table}`)}
      USING fts5vocab(${schema}, ${quoted(table)}, instance)`);
  }
  const select = (schema: string): string => `SELECT * FROM temp.${quoted(`${schema}${table}`)}`;
  if (difference(db, select('main'), select('expected')) !== undefined) {
    throw rowCorrupt(path, table, undefined, undefined);
  }
}

/** A row that only one of two queries gives. */
function difference(
  db: DatabaseSync,
  one: string,
  other: string,
): Readonly<Record<string, unknown>> | undefined {
  return (
    db.prepare(`SELECT * FROM (${one}) EXCEPT SELECT * FROM (${other}) LIMIT 1`).get() ??
    db.prepare(`SELECT * FROM (${other}) EXCEPT SELECT * FROM (${one}) LIMIT 1`).get()
  );
}

function rowCorrupt(path: string, table: string, seq: unknown, obj: unknown): Error {
  const place = typeof seq === 'number' ? ` at sequence ${seq}` : '';
  const whose = typeof obj === 'string' ? ` of ${obj}` : '';
  const error = corrupt(path, `${table} differs from the log${place}${whose}`);
  return Object.assign(error, { details: { ...error.details, table, seq, obj } });
}
