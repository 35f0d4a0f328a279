import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { inTransaction } from '@commongrid/base';
import type { Actor } from '../actors/actor.ts';
import { heldTable } from '../mailbox/held-boxes.ts';
import { outboxTable } from '../mailbox/outbox.ts';
import { replayTables } from '../mailbox/replay-guard.ts';
import { peopleTable } from '../people/people.ts';

/** The file with all tables of a bot, in its folder. */
const fileName = 'bot.sqlite';

const seenTable = `
  CREATE TABLE IF NOT EXISTS seen_records (bot TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS halt (only INTEGER PRIMARY KEY CHECK (only = 1), why TEXT NOT NULL) STRICT;
`;

/** The tables of a bot: one file, so that a message and its effect are one transaction. */
export class BotStore implements Disposable {
  readonly db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.db = db;
  }

  /** @param folder made when missing */
  static async open(folder: string): Promise<BotStore> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const db = new DatabaseSync(join(folder, fileName));
    try {
      // What was answered must outlive a power cut: the log of SQLite is synced with each transaction.
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000');
      const own = [seenTable, peopleTable, replayTables, outboxTable, heldTable];
      inTransaction(db, () => db.exec(own.join('\n')));
      return new BotStore(db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** Makes the tables of actors, where they are missing. */
  addTables(actors: readonly Actor[]): void {
    const tables = actors.flatMap((one) => (one.tables === undefined ? [] : [one.tables]));
    inTransaction(this.db, () => this.db.exec(tables.join('\n')));
  }

  /** Place of the newest record that was seen of a bot; -1 for none. */
  seen(bot: string): number {
    const row = this.db.prepare('SELECT seq FROM seen_records WHERE bot = ?').get(bot);
    return Number(row?.['seq'] ?? -1);
  }

  note(bot: string, seq: number): void {
    if (seq <= this.seen(bot)) return;
    this.db
      .prepare(
        'INSERT INTO seen_records VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq',
      )
      .run(bot, seq);
  }

  /** Why nothing new may start; undefined when it may. */
  get halt(): string | undefined {
    const row = this.db.prepare('SELECT why FROM halt').get();
    return row === undefined ? undefined : String(row['why']);
  }

  setHalt(why: string): void {
    this.db.prepare('INSERT OR IGNORE INTO halt VALUES (1, ?)').run(why);
  }

  [Symbol.dispose](): void {
    this.db.close();
  }
}
