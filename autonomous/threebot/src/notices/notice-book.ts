import type { DatabaseSync } from 'node:sqlite';
import { inTransaction } from '@commongrid/base';
import type { ContractId } from '@commongrid/model';
import type { ToldRevisions } from './move-findings.ts';
import { keyOf } from './notice.ts';
import type { Finding, NoticeSeverity } from './notice.ts';

/** A notice as it is kept. Times are the wall clock of the bot, ms since 1970. */
export interface Notice {
  /** Grows with each notice, and when one that was over holds again. */
  readonly seq: number;
  readonly code: string;
  readonly severity: NoticeSeverity;
  readonly contract: ContractId;
  readonly message: string;
  readonly next: string;
  readonly atMs: number;
  /** When it held no more; null while it does, and for what has happened once. */
  readonly overMs: number | null;
  /** When its owner said that he has read it. */
  readonly readMs: number | null;
}

/** What is told and not over, by key. */
export type OpenNotices = ReadonlyMap<
  string,
  { readonly message: string; readonly next: string; readonly lastsMs: number }
>;

/** What a look at the feed came to. */
export interface NewsOfNotices {
  /** What holds, and is to be told. */
  readonly due: readonly Finding[];
  /** Keys of what holds no more. */
  readonly over: readonly string[];
  /** What happened once. */
  readonly happened: readonly Finding[];
  /** Revisions up to which moves are told by that. */
  readonly told: ToldRevisions;
  /** Wall clock, ms since 1970. */
  readonly nowMs: number;
}

/** Notices that are kept; the oldest that are over or past make room. */
const keptMax = 5_000;
/** Notices in one answer. */
const pageMax = 200;

export const noticeTables = `
  CREATE TABLE IF NOT EXISTS notices (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, code TEXT NOT NULL, severity TEXT NOT NULL,
    contract TEXT NOT NULL, message TEXT NOT NULL, next TEXT NOT NULL, happened INTEGER NOT NULL,
    at_ms INTEGER NOT NULL, lasts_ms INTEGER NOT NULL, over_ms INTEGER, read_ms INTEGER
  ) STRICT;
  CREATE INDEX IF NOT EXISTS notices_open ON notices (seq) WHERE over_ms IS NULL AND read_ms IS NULL;
  CREATE TABLE IF NOT EXISTS told_revisions (contract TEXT PRIMARY KEY, revision INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS notices_begun (only INTEGER PRIMARY KEY CHECK (only = 1)) STRICT;
`;

/** What a bot has to tell its owner: each thing once, as long as it holds. */
export class NoticeBook {
  readonly #db: DatabaseSync;
  #changed = Promise.withResolvers<void>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Resolves when the next notice is there, or one is over or read. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** Whether anything was looked at before: what moved until then is told to nobody. */
  get hasBegun(): boolean {
    return this.#db.prepare('SELECT 1 FROM notices_begun').get() !== undefined;
  }

  told(): ToldRevisions {
    const rows = this.#db.prepare('SELECT contract, revision FROM told_revisions').all();
    return new Map(rows.map((row) => [row['contract'] as ContractId, Number(row['revision'])]));
  }

  /** What is told and not over yet, by its key. */
  open(): OpenNotices {
    const rows = this.#db
      .prepare(
        'SELECT key, message, next, lasts_ms FROM notices WHERE happened = 0 AND over_ms IS NULL',
      )
      .all();
    return new Map(
      rows.map((row) => {
        const [message, next] = [String(row['message']), String(row['next'])];
        return [String(row['key']), { message, next, lastsMs: Number(row['lasts_ms']) }];
      }),
    );
  }

  /** Writes down what changed. Nothing is written where all of it is known. */
  note({ due, over, happened, told, nowMs }: NewsOfNotices): void {
    const open = this.open();
    const fresh = due.filter((one) => !open.has(keyOf(one)));
    const other = due.filter((one) => {
      const known = open.get(keyOf(one));
      return known !== undefined && (known.message !== one.message || known.next !== one.next);
    });
    const count = over.length + fresh.length + other.length + happened.length + told.size;
    if (count === 0 && this.hasBegun) return;
    inTransaction(this.#db, () => {
      this.#db.exec('INSERT OR IGNORE INTO notices_begun VALUES (1)');
      const end = this.#db.prepare('UPDATE notices SET over_ms = ? WHERE key = ?');
      for (const key of over) end.run(nowMs, key);
      const change = this.#db.prepare('UPDATE notices SET message = ?, next = ? WHERE key = ?');
      for (const one of other) change.run(one.message, one.next, keyOf(one));
      for (const one of fresh) this.#add(one, false, nowMs);
      for (const one of happened) this.#add(one, true, nowMs);
      const mark = this.#db.prepare('INSERT OR REPLACE INTO told_revisions VALUES (?, ?)');
      for (const [contract, revision] of told) mark.run(contract, revision);
      this.#trim();
    });
    this.#tell();
  }

  /** The oldest first: those that wait to be read, or all that are kept. */
  list({ after = 0, all = false }: { readonly after?: number; readonly all?: boolean }): Notice[] {
    const open = all ? '' : 'AND over_ms IS NULL AND read_ms IS NULL';
    return this.#db
      .prepare(`SELECT * FROM notices WHERE seq > ? ${open} ORDER BY seq LIMIT ?`)
      .all(after, pageMax)
      .map((row) => ({
        seq: Number(row['seq']),
        code: String(row['code']),
        severity: row['severity'] as NoticeSeverity,
        contract: row['contract'] as ContractId,
        message: String(row['message']),
        next: String(row['next']),
        atMs: Number(row['at_ms']),
        overMs: row['over_ms'] as number | null,
        readMs: row['read_ms'] as number | null,
      }));
  }

  /** How many wait to be read, by how much they press. */
  get counts(): { readonly open: number; readonly urgent: number } {
    const row = this.#db
      .prepare(
        `SELECT count(*) AS open, count(*) FILTER (WHERE severity = 'urgent') AS urgent
         FROM notices WHERE over_ms IS NULL AND read_ms IS NULL`,
      )
      .get();
    return { open: Number(row?.['open'] ?? 0), urgent: Number(row?.['urgent'] ?? 0) };
  }

  /** They wait to be read no more; those that hold are not told again before they were over. Returns how many. */
  read(seqs: readonly number[], nowMs: number): number {
    const mark = this.#db.prepare(
      'UPDATE notices SET read_ms = ? WHERE seq = ? AND read_ms IS NULL',
    );
    const count = seqs.reduce((sum, seq) => sum + Number(mark.run(nowMs, seq).changes), 0);
    this.#tell();
    return count;
  }

  #add(finding: Finding, isPast: boolean, nowMs: number): void {
    const { code, severity, contract, message, next, lastsMs } = finding;
    const key = keyOf(finding);
    // One that was over holds again: it is another notice. What happened once did so for good.
    if (!isPast) this.#db.prepare('DELETE FROM notices WHERE key = ?').run(key);
    this.#db
      .prepare(
        `INSERT OR IGNORE INTO notices
           (key, code, severity, contract, message, next, happened, at_ms, lasts_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(key, code, severity, contract, message, next, Number(isPast), nowMs, lastsMs);
  }

  #trim(): void {
    const { count = 0 } = this.#db.prepare('SELECT count(*) AS count FROM notices').get() ?? {};
    const excess = Number(count) - keptMax;
    if (excess <= 0) return;
    this.#db
      .prepare(
        `DELETE FROM notices WHERE seq IN (
           SELECT seq FROM notices WHERE over_ms IS NOT NULL OR happened = 1 ORDER BY seq LIMIT ?)`,
      )
      .run(excess);
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
