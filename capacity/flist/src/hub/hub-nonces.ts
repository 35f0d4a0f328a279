import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { HubDatabase } from './hub-database.ts';
import { hubBusy } from './hub-status.ts';
import { clockSkewMsMax } from './request-signature.ts';
import type { RequestClaim } from './request-signature.ts';

/** Nonces that are remembered, each for at most ten minutes. One user has no more of them than are left for others. */
const noncesMax = 500_000;
/** How often those that are no longer needed are removed. */
const purgeEveryMs = 10_000;

/** The requests of the last minutes, so that none counts twice; also over a restart. */
export class HubNonces {
  readonly #db: HubDatabase;
  #count: number;
  readonly #counts: Map<string, number>;
  #purgedMs = 0;

  constructor(db: HubDatabase) {
    this.#db = db;
    const rows = db.all('SELECT user, count(*) AS n FROM nonces GROUP BY user');
    this.#counts = new Map(rows.map((row) => [String(row['user']), Number(row['n'])]));
    this.#count = this.#counts.values().reduce((sum, count) => sum + count, 0);
  }

  /** @param user of whom the key is. @throws HUB_REPLAYED, HUB_BUSY */
  take(user: string, { key, nonce, atMs }: RequestClaim, nowMs: number): void {
    if (Math.abs(nowMs - this.#purgedMs) >= purgeEveryMs) this.#purge(nowMs);
    const own = this.#counts.get(user) ?? 0;
    if (own >= noncesMax - this.#count) throw hubBusy('has too many requests to remember');
    const sql = 'INSERT OR IGNORE INTO nonces (nonce, user, until_ms) VALUES (?, ?, ?)';
    // Until no clock could take the request for a new one.
    if (this.#db.run(sql, `${key.text} ${nonce}`, user, atMs + clockSkewMsMax) === 0) {
      throw new GridError<FlistErrorCode>('HUB_REPLAYED', 'this very request came before', {
        hint: 'sign a new one',
      });
    }
    this.#add(user, 1);
  }

  #purge(nowMs: number): void {
    const sql = 'SELECT user, count(*) AS n FROM nonces WHERE until_ms < ? GROUP BY user';
    const old = this.#db.all(sql, nowMs);
    this.#db.run('DELETE FROM nonces WHERE until_ms < ?', nowMs);
    for (const row of old) this.#add(String(row['user']), -Number(row['n']));
    this.#purgedMs = nowMs;
  }

  #add(user: string, count: number): void {
    this.#count += count;
    const left = (this.#counts.get(user) ?? 0) + count;
    if (left === 0) this.#counts.delete(user);
    else this.#counts.set(user, left);
  }
}
