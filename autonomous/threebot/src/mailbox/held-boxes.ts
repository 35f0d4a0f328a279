import type { DatabaseSync } from 'node:sqlite';
import { GridError } from '@commongrid/base';
import type { BotLimits } from '../config.ts';
import type { BotErrorCode } from '../errors.ts';

export const heldTable = `
  CREATE TABLE IF NOT EXISTS held (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    receiver TEXT NOT NULL, sender TEXT NOT NULL, id TEXT NOT NULL, exp_ms INTEGER NOT NULL,
    box BLOB NOT NULL, UNIQUE (receiver, sender, id)
  ) STRICT;
`;

/** A sealed message that a relay keeps. */
export interface HeldBox {
  readonly seq: number;
  readonly box: Uint8Array;
}

export interface NewBox {
  readonly to: string;
  /** Who brought it: the relay knows that, and the id, so that nobody fills it with one box. */
  readonly from: string;
  readonly id: string;
  readonly expMs: number;
  readonly box: Uint8Array;
}

/** Boxes that are kept for all bots. */
export function heldCount(db: DatabaseSync): number {
  return Number(db.prepare('SELECT count(*) AS n FROM held').get()?.['n']);
}

/** Boxes that a relay keeps for bots that are away; it cannot open them. */
export class HeldBoxes {
  readonly #db: DatabaseSync;
  readonly #limits: Pick<BotLimits, 'heldMax' | 'heldBytesMax'>;

  constructor(db: DatabaseSync, limits: Pick<BotLimits, 'heldMax' | 'heldBytesMax'>) {
    this.#db = db;
    this.#limits = limits;
  }

  /** The same one again replaces it. @throws BOT_MAILBOX_FULL */
  add({ to, from, id, expMs, box }: NewBox): void {
    const { heldMax, heldBytesMax } = this.#limits;
    const row = this.#db
      .prepare(
        `SELECT count(*) AS n, total(length(box)) AS bytes FROM held
          WHERE receiver = ? AND NOT (sender = ? AND id = ?)`,
      )
      .get(to, from, id);
    if (Number(row?.['n']) >= heldMax || Number(row?.['bytes']) + box.length > heldBytesMax) {
      throw new GridError<BotErrorCode>('BOT_MAILBOX_FULL', 'no more is kept for this bot', {
        hint: 'wait until it fetched what is here',
        retryable: true,
        details: { heldMax, heldBytesMax },
      });
    }
    this.#db
      .prepare(
        'INSERT OR REPLACE INTO held (receiver, sender, id, exp_ms, box) VALUES (?, ?, ?, ?, ?)',
      )
      .run(to, from, id, expMs, box);
  }

  /** The oldest ones for a receiver. */
  list(to: string, limit: number): readonly HeldBox[] {
    return this.#db
      .prepare('SELECT seq, box FROM held WHERE receiver = ? ORDER BY seq LIMIT ?')
      .all(to, limit)
      .map((row) => ({ seq: Number(row['seq']), box: row['box'] as Uint8Array }));
  }

  /** The receiver needs these no more. */
  drop(to: string, seqs: readonly number[]): void {
    const statement = this.#db.prepare('DELETE FROM held WHERE receiver = ? AND seq = ?');
    for (const seq of seqs) statement.run(to, seq);
  }

  forget(nowMs: number): void {
    this.#db.prepare('DELETE FROM held WHERE exp_ms <= ?').run(nowMs);
  }
}
