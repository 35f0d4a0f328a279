import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { GridError } from '@commongrid/base';
import type { Outgoing } from '../actors/actor.ts';
import type { BotErrorCode } from '../errors.ts';

export const outboxTable = `
  CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    receiver TEXT NOT NULL, id TEXT NOT NULL, exp_ms INTEGER NOT NULL,
    kind TEXT NOT NULL, body TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting', why TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS outbox_waiting ON outbox (receiver, state, seq);
`;

/** `held`: a relay has it; `refused`: the receiver will not take it, `why` has the code. */
export type LetterState = 'waiting' | 'held' | 'refused';

/** A message that is not known to have come. */
export interface Letter {
  readonly seq: number;
  readonly to: string;
  readonly id: string;
  readonly expMs: number;
  readonly kind: string;
  readonly body: unknown;
  readonly state: LetterState;
  readonly why: string | undefined;
}

/** For how long a message may be delivered, ms, when its sender says nothing. */
const lifeMsDefault = 7 * 86_400_000;

/** Messages that wait for their receivers, as their sender's own: they are sealed when they leave. */
export class Outbox {
  readonly #db: DatabaseSync;
  readonly #max: number;
  readonly #lifeMsMax: number;

  constructor(
    db: DatabaseSync,
    { outboxMax, messageMsMax }: { readonly outboxMax: number; readonly messageMsMax: number },
  ) {
    this.#db = db;
    this.#max = outboxMax;
    this.#lifeMsMax = messageMsMax;
  }

  /**
   * Adds a message, within a transaction if there is one. Returns its id.
   * @throws BOT_MAILBOX_FULL, BOT_MESSAGE_EXPIRED
   */
  add({ to, kind, body, lifeMs = lifeMsDefault }: Outgoing, nowMs: number): string {
    if (!(lifeMs > 0 && lifeMs <= this.#lifeMsMax)) {
      throw new GridError<BotErrorCode>('BOT_MESSAGE_EXPIRED', 'a message cannot live so long', {
        hint: `give it ${this.#lifeMsMax} ms at most`,
        details: { lifeMs },
      });
    }
    if (this.size >= this.#max) {
      throw new GridError<BotErrorCode>('BOT_MAILBOX_FULL', `${this.#max} messages wait`, {
        hint: 'wait until some are delivered or end',
        retryable: true,
      });
    }
    const id = randomBytes(16).toString('base64url');
    this.#db
      .prepare('INSERT INTO outbox (receiver, id, exp_ms, kind, body) VALUES (?, ?, ?, ?, ?)')
      .run(to, id, Math.floor(nowMs + lifeMs), kind, JSON.stringify(body));
    return id;
  }

  /** Messages that are here, in whatever state. */
  get size(): number {
    return Number(this.#db.prepare('SELECT count(*) AS n FROM outbox').get()?.['n']);
  }

  /** How many there are in each state. */
  counts(): ReadonlyMap<LetterState, number> {
    const counts = new Map<LetterState, number>([
      ['waiting', 0],
      ['held', 0],
      ['refused', 0],
    ]);
    const rows = this.#db.prepare('SELECT state, count(*) AS n FROM outbox GROUP BY state').all();
    for (const row of rows) counts.set(row['state'] as LetterState, Number(row['n']));
    return counts;
  }

  /** Who waits for messages. */
  receivers(): readonly string[] {
    const sql = "SELECT DISTINCT receiver FROM outbox WHERE state <> 'refused'";
    return this.#db
      .prepare(sql)
      .all()
      .map((row) => String(row['receiver']));
  }

  /** The oldest ones for a receiver, behind a place. */
  letters(
    to: string,
    states: readonly LetterState[],
    after: number,
    limit: number,
  ): readonly Letter[] {
    const marks = states.map(() => '?').join(', ');
    return this.#db
      .prepare(
        `SELECT * FROM outbox WHERE receiver = ? AND state IN (${marks}) AND seq > ? ORDER BY seq LIMIT ?`,
      )
      .all(to, ...states, after, limit)
      .map(letterOf);
  }

  /** Those that were refused, the newest first. */
  refused(limit: number): readonly Letter[] {
    const sql = "SELECT * FROM outbox WHERE state = 'refused' ORDER BY seq DESC LIMIT ?";
    return this.#db.prepare(sql).all(limit).map(letterOf);
  }

  /** The receiver has taken it. */
  delivered(seq: number): void {
    this.#db.prepare('DELETE FROM outbox WHERE seq = ?').run(seq);
  }

  setState(seq: number, state: LetterState, why?: string): void {
    this.#db
      .prepare('UPDATE outbox SET state = ?, why = ? WHERE seq = ?')
      .run(state, why ?? null, seq);
  }

  /** Drops those whose time is over. Returns how many. */
  forget(nowMs: number): number {
    const { changes } = this.#db.prepare('DELETE FROM outbox WHERE exp_ms <= ?').run(nowMs);
    return Number(changes);
  }
}

function letterOf(row: Readonly<Record<string, unknown>>): Letter {
  return {
    seq: Number(row['seq']),
    to: String(row['receiver']),
    id: String(row['id']),
    expMs: Number(row['exp_ms']),
    kind: String(row['kind']),
    body: JSON.parse(String(row['body'])) as unknown,
    state: row['state'] as LetterState,
    why: typeof row['why'] === 'string' ? row['why'] : undefined,
  };
}
