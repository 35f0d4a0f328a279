import { DatabaseSync } from 'node:sqlite';
import type { BotEntry } from './bot-entry.ts';

/** An entry as it was proven, and when: ms since 1970. */
export interface KeptEntry {
  readonly entry: BotEntry;
  readonly atMs: number;
}

/** Entries that are kept; those that were proven longest ago are forgotten first. */
const keptMax = 10_000;

/** An entry that is the same is written again once it is so much older, ms. */
const rewriteMs = 30_000;

/**
 * What was proven of other bots, over restarts: while the database does not answer, a bot speaks with
 * those whom it knows. In a file of its own, which may be lost, and is no part of backups.
 */
export class KeptEntries implements Disposable {
  readonly #db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** @param file made when missing */
  static open(file: string): KeptEntries {
    const db = new DatabaseSync(file);
    try {
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
      db.exec(`CREATE TABLE IF NOT EXISTS entries (
        bot TEXT PRIMARY KEY, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL, entry TEXT NOT NULL
      ) STRICT`);
      return new KeptEntries(db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  of(bot: string): KeptEntry | undefined {
    const row = this.#db.prepare('SELECT at_ms, entry FROM entries WHERE bot = ?').get(bot);
    if (row === undefined) return undefined;
    return { entry: JSON.parse(String(row['entry'])) as BotEntry, atMs: Number(row['at_ms']) };
  }

  keep({ entry, atMs }: KeptEntry): void {
    const known = this.#db.prepare('SELECT seq, at_ms FROM entries WHERE bot = ?').get(entry.id);
    const isSame = known !== undefined && Number(known['seq']) === entry.seq;
    if (isSame && Math.abs(atMs - Number(known['at_ms'])) < rewriteMs) return;
    this.#db
      .prepare('INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)')
      .run(entry.id, entry.seq, Math.floor(atMs), JSON.stringify(entry));
  }

  /** Forgets those that were proven before a time, and those beyond the limit. */
  forget(beforeMs: number): void {
    this.#db.prepare('DELETE FROM entries WHERE at_ms < ?').run(Math.floor(beforeMs));
    this.#db
      .prepare(
        'DELETE FROM entries WHERE bot IN (SELECT bot FROM entries ORDER BY at_ms DESC LIMIT -1 OFFSET ?)',
      )
      .run(keptMax);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
