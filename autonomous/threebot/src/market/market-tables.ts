import type { DatabaseSync } from 'node:sqlite';
import type { Lock } from '@commongrid/model';
import type { Intent, Quote } from './market-schema.ts';

export const marketTables = `
  CREATE TABLE IF NOT EXISTS market_deals (
    id TEXT PRIMARY KEY, buyer TEXT NOT NULL, state TEXT NOT NULL, counters INTEGER NOT NULL,
    first TEXT NOT NULL, wish TEXT, quote TEXT NOT NULL, ends_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS market_deals_buyer ON market_deals (buyer, state);
  CREATE TABLE IF NOT EXISTS market_locks (
    id TEXT PRIMARY KEY, deal TEXT NOT NULL, place INTEGER NOT NULL, value TEXT NOT NULL,
    is_logged INTEGER NOT NULL DEFAULT 0, expires_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS market_locks_deal ON market_locks (deal, place);
  CREATE TABLE IF NOT EXISTS market_purchases (
    deal TEXT PRIMARY KEY, farmer TEXT NOT NULL, wish TEXT NOT NULL, intent TEXT NOT NULL,
    quote TEXT NOT NULL, state TEXT NOT NULL, ends_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS market_purchases_wish ON market_purchases (wish);
`;

/** A quote and how far it is, as the farmer keeps it. */
export interface Deal {
  readonly id: string;
  readonly buyer: string;
  /** `taken`: its locks were decided; they may not all be in the log yet. */
  readonly state: 'open' | 'taken';
  /** Counters so far; those that were declined too. */
  readonly counters: number;
  /** Prices of the first quote, slot by slot. */
  readonly first: readonly string[];
  /** Of the counter that led to the quote. */
  readonly wish: readonly string[] | undefined;
  readonly quote: Quote;
}

/** Deals of a farmer, and the locks that it decided on. */
export class Deals {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  find(id: string): Deal | undefined {
    const row = this.#db.prepare('SELECT * FROM market_deals WHERE id = ?').get(id);
    if (row === undefined) return undefined;
    const { wish } = row;
    return {
      ...{ id, buyer: String(row['buyer']), counters: Number(row['counters']) },
      state: row['state'] as Deal['state'],
      first: JSON.parse(String(row['first'])) as string[],
      wish: typeof wish === 'string' ? (JSON.parse(wish) as string[]) : undefined,
      quote: JSON.parse(String(row['quote'])) as Quote,
    };
  }

  /** Quotes of a buyer that nobody took, and that are to be kept beyond a time. */
  openCount(buyer: string, endsAfterMs: number): number {
    const sql = `SELECT count(*) AS n FROM market_deals
      WHERE buyer = ? AND state = 'open' AND ends_ms > ?`;
    return Number(this.#db.prepare(sql).get(buyer, endsAfterMs)?.['n']);
  }

  /** @param endsMs from when on it may be forgotten */
  put({ id, buyer, state, counters, first, wish, quote }: Deal, endsMs: number): void {
    this.#db
      .prepare('INSERT OR REPLACE INTO market_deals VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
      .run(
        ...([id, buyer, state, counters, JSON.stringify(first)] as const),
        wish === undefined ? null : JSON.stringify(wish),
        ...([JSON.stringify(quote), endsMs] as const),
      );
  }

  /** Locks of a deal, in the order of its slots. */
  locks(deal: string): readonly { readonly lock: Lock; readonly isLogged: boolean }[] {
    const sql = 'SELECT value, is_logged FROM market_locks WHERE deal = ? ORDER BY place';
    return this.#db
      .prepare(sql)
      .all(deal)
      .map((row) => ({
        lock: JSON.parse(String(row['value'])) as Lock,
        isLogged: row['is_logged'] === 1,
      }));
  }

  addLock(deal: string, place: number, lock: Lock): void {
    this.#db
      .prepare(
        'INSERT INTO market_locks (id, deal, place, value, expires_ms) VALUES (?, ?, ?, ?, ?)',
      )
      .run(lock.id, deal, place, JSON.stringify(lock), lock.expiresMs);
  }

  setLogged(lock: string): void {
    this.#db.prepare('UPDATE market_locks SET is_logged = 1 WHERE id = ?').run(lock);
  }

  /** Drops what is over. */
  forget(nowMs: number): void {
    const ended = 'SELECT id FROM market_deals WHERE ends_ms <= ?';
    this.#db.prepare(`DELETE FROM market_locks WHERE deal IN (${ended})`).run(nowMs);
    this.#db.prepare('DELETE FROM market_deals WHERE ends_ms <= ?').run(nowMs);
  }
}

/** A quote that the buyer decided to take. */
export interface Purchase {
  readonly deal: string;
  readonly farmer: string;
  /** What it was bought for; the same wish asks for the same purchase. */
  readonly wish: string;
  readonly intent: Intent;
  readonly quote: Quote;
  /** `taking`: the farmer was asked for the locks, and may have made them. */
  readonly state: 'quoted' | 'taking';
}

/** Purchases of a buyer: kept before the farmer is asked, so that nothing is asked for twice. */
export class Purchases {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  find(deal: string): Purchase | undefined {
    const row = this.#db.prepare('SELECT * FROM market_purchases WHERE deal = ?').get(deal);
    return row === undefined ? undefined : purchaseOf(row);
  }

  /** Those of a wish that were taken and may go on, the newest first. */
  taken(wish: string, nowMs: number): readonly Purchase[] {
    return this.#db
      .prepare(
        `SELECT * FROM market_purchases WHERE wish = ? AND state = 'taking' AND ends_ms > ?
         ORDER BY rowid DESC`,
      )
      .all(wish, nowMs)
      .map(purchaseOf);
  }

  /** @param endsMs from when on it may be forgotten */
  put({ deal, farmer, wish, intent, quote, state }: Purchase, endsMs: number): void {
    this.#db
      .prepare('INSERT OR REPLACE INTO market_purchases VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(
        ...([deal, farmer, wish, JSON.stringify(intent), JSON.stringify(quote)] as const),
        ...([state, endsMs] as const),
      );
  }

  /** It led to nothing, or is over. */
  drop(deal: string): void {
    this.#db.prepare('DELETE FROM market_purchases WHERE deal = ?').run(deal);
  }

  forget(nowMs: number): void {
    this.#db.prepare('DELETE FROM market_purchases WHERE ends_ms <= ?').run(nowMs);
  }
}

function purchaseOf(row: Readonly<Record<string, unknown>>): Purchase {
  return {
    deal: String(row['deal']),
    farmer: String(row['farmer']),
    wish: String(row['wish']),
    intent: JSON.parse(String(row['intent'])) as Intent,
    quote: JSON.parse(String(row['quote'])) as Quote,
    state: row['state'] as Purchase['state'],
  };
}
