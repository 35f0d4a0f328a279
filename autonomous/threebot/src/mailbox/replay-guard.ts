import type { DatabaseSync } from 'node:sqlite';
import { GridError } from '@commongrid/base';
import type { BotErrorCode } from '../errors.ts';

export const replayTables = `
  CREATE TABLE IF NOT EXISTS taken (
    sender TEXT NOT NULL, id TEXT NOT NULL, exp_ms INTEGER NOT NULL, PRIMARY KEY (sender, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS taken_by_end ON taken (exp_ms);
  CREATE TABLE IF NOT EXISTS forgotten (
    only INTEGER PRIMARY KEY CHECK (only = 1), until_ms INTEGER NOT NULL
  ) STRICT;
`;

/** What tells messages apart. */
export interface MessageName {
  readonly from: string;
  readonly id: string;
  /** End of the message, ms since 1970. */
  readonly expMs: number;
}

/**
 * Takes each message once. Who sent what is remembered until the message ends; what ended is refused by
 * its end. The end up to which was forgotten is kept, so a clock that is put back lets nothing in twice.
 */
export class ReplayGuard {
  readonly #db: DatabaseSync;
  readonly #lifeMsMax: number;

  /** @param lifeMsMax how far off the end of a message may be */
  constructor(db: DatabaseSync, lifeMsMax: number) {
    this.#db = db;
    this.#lifeMsMax = lifeMsMax;
  }

  /** @throws BOT_MESSAGE_EXPIRED */
  requireAlive({ expMs }: Pick<MessageName, 'expMs'>, nowMs: number): void {
    const isOver = expMs <= nowMs || expMs <= this.#forgottenMs;
    if (!isOver && expMs <= nowMs + this.#lifeMsMax) return;
    throw new GridError<BotErrorCode>(
      'BOT_MESSAGE_EXPIRED',
      isOver ? 'the message ended before it came' : 'the message ends too late',
      {
        hint: 'send it again with another end; see whether both clocks are right',
        details: { expMs, nowMs },
      },
    );
  }

  /**
   * Takes a message, within the transaction of its effect.
   * @throws BOT_MESSAGE_REPLAYED, BOT_MESSAGE_EXPIRED
   */
  take(message: MessageName, nowMs: number): void {
    const { from, id, expMs } = message;
    this.requireAlive(message, nowMs);
    const { changes } = this.#db
      .prepare('INSERT OR IGNORE INTO taken VALUES (?, ?, ?)')
      .run(from, id, expMs);
    if (Number(changes) === 1) return;
    throw new GridError<BotErrorCode>('BOT_MESSAGE_REPLAYED', 'this message was taken before', {
      hint: 'it had its effect: nothing is to be done',
      details: { from, id },
    });
  }

  /** Forgets messages that ended; to be called in a transaction. */
  forget(nowMs: number): void {
    const row = this.#db
      .prepare('SELECT max(exp_ms) AS last FROM taken WHERE exp_ms <= ?')
      .get(nowMs);
    if (row?.['last'] === null || row === undefined) return;
    const untilMs = Math.max(Number(row['last']), this.#forgottenMs);
    this.#db.prepare('INSERT OR REPLACE INTO forgotten VALUES (1, ?)').run(untilMs);
    this.#db.prepare('DELETE FROM taken WHERE exp_ms <= ?').run(untilMs);
  }

  get #forgottenMs(): number {
    return Number(this.#db.prepare('SELECT until_ms FROM forgotten').get()?.['until_ms'] ?? -1);
  }
}
