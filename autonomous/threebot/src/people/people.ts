import type { DatabaseSync } from 'node:sqlite';
import type { Permission } from '../actors/caller.ts';

export const peopleTable = `
  CREATE TABLE IF NOT EXISTS people (bot TEXT PRIMARY KEY, standing TEXT NOT NULL) STRICT;
`;

/** Bots of which more is held than that they are known. */
export type Standing = 'circle' | 'admin';

export interface Person {
  readonly bot: string;
  readonly standing: Standing;
}

/** Whom the owner counts to his circle, and who may administer. */
export class People {
  readonly #db: DatabaseSync;
  readonly #owner: string;

  /** @param owner id of the bot itself: each of its keys is the owner */
  constructor(db: DatabaseSync, owner: string) {
    this.#db = db;
    this.#owner = owner;
  }

  /** What a bot may, after it proved that it is the one. */
  standingOf(bot: string): Permission {
    if (bot === this.#owner) return 'owner';
    return this.#find(bot) ?? 'known';
  }

  list(): readonly Person[] {
    const rows = this.#db.prepare('SELECT bot, standing FROM people ORDER BY bot').all();
    return rows.map((row) => ({
      bot: String(row['bot']),
      standing: row['standing'] as Standing,
    }));
  }

  #find(bot: string): Standing | undefined {
    const row = this.#db.prepare('SELECT standing FROM people WHERE bot = ?').get(bot);
    return row?.['standing'] as Standing | undefined;
  }
}
