import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { GridError, inTransaction } from '@commongrid/base';
import type { GridRecord } from '@commongrid/model';
import type { NodeErrorCode } from '../errors.ts';
import type { SourceChange } from '../ports.ts';

/**
 * All records that concern this node, as they came: what it goes by while its source is away, also
 * after a reboot. One SQLite file; a record is synced before anything is done because of it, so that
 * the highest fence that was seen is never forgotten.
 */
export class GridCopy implements Disposable {
  readonly #db: DatabaseSync;
  #at: number | undefined;
  #keptAt = 0;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** @throws NODE_OTHER_LOG when the folder has records of another log */
  static open(folder: string, log: string): GridCopy {
    const db = new DatabaseSync(join(folder, 'grid.sqlite'));
    try {
      db.exec(schema);
      db.prepare("INSERT OR IGNORE INTO fact VALUES ('log', ?)").run(log);
      const copy = new GridCopy(db);
      if (copy.#fact('log') !== log) throw otherLog(copy.#fact('log'), log);
      return copy;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** What the source is to be asked after. */
  get cursor(): string {
    return this.#fact('cursor') ?? '';
  }

  /** Log time of what came last, ms since 1970. */
  get at(): number {
    this.#at ??= Number(this.#fact('at') ?? 0);
    return this.#at;
  }

  /** All records, in the order of the log. */
  *records(): Generator<GridRecord> {
    const rows = this.#db.prepare('SELECT record FROM record ORDER BY seq');
    for (const row of rows.iterate()) yield JSON.parse(String(row['record'])) as GridRecord;
  }

  /** Keeps what came. @returns those that are new here @throws NODE_LOG_DIFFERS */
  add({ records, cursor, at }: SourceChange): readonly GridRecord[] {
    const put = this.#db.prepare('INSERT OR IGNORE INTO record VALUES (?, ?)');
    const find = this.#db.prepare('SELECT record FROM record WHERE seq = ?');
    const fresh: GridRecord[] = [];
    inTransaction(this.#db, () => {
      for (const record of records) {
        const text = JSON.stringify(record);
        if (put.run(record.seq, text).changes > 0) fresh.push(record);
        else if (find.get(record.seq)?.['record'] !== text) throw differs(record.seq);
      }
      const setFact = this.#db.prepare('INSERT OR REPLACE INTO fact VALUES (?, ?)');
      setFact.run('cursor', cursor);
      setFact.run('at', String(Math.max(at, this.at)));
    });
    this.#at = Math.max(at, this.at);
    return fresh;
  }

  /** Nothing came until then. Kept once a minute: it is for the time after a reboot. */
  noteTime(at: number): void {
    this.#at = Math.max(at, this.at);
    if (this.#at < this.#keptAt + keepTimeEveryMs) return;
    this.#keptAt = this.#at;
    this.#db.prepare("INSERT OR REPLACE INTO fact VALUES ('at', ?)").run(String(this.#at));
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #fact(name: string): string | undefined {
    const value = this.#db.prepare('SELECT value FROM fact WHERE name = ?').get(name)?.['value'];
    return typeof value === 'string' ? value : undefined;
  }
}

/** How much of log time may be forgotten by a kill, ms. */
const keepTimeEveryMs = 60_000;

/** All is read once, and then little: so it keeps 256 KiB in memory. */
const schema = `
  PRAGMA cache_size = -256;
  PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS record (seq INTEGER PRIMARY KEY, record TEXT NOT NULL)`;

function otherLog(known: string | undefined, log: string): GridError<NodeErrorCode> {
  return new GridError('NODE_OTHER_LOG', `this node belongs to log ${known}, not ${log}`, {
    hint: 'name another folder, or the right grid',
    details: { expected: known, actual: log },
  });
}

function differs(seq: number): GridError<NodeErrorCode> {
  return new GridError('NODE_LOG_DIFFERS', `record ${seq} of the log is another than before`, {
    hint: 'somebody rewrote the log, or the source lies: nothing new is started',
    details: { seq },
  });
}
