import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { HubDatabase } from './hub-database.ts';
import { hubBusy } from './hub-status.ts';
import { clockSkewMsMax } from './request-signature.ts';
import type { RequestClaim } from './request-signature.ts';

/** Nonces that are remembered, each for at most ten minutes. */
const noncesMax = 500_000;
/** How often those that are no longer needed are removed. */
const purgeEveryMs = 10_000;

/** The requests of the last minutes, so that none counts twice; also over a restart. */
export class HubNonces {
  readonly #db: HubDatabase;
  #count: number;
  #purgedMs = 0;

  constructor(db: HubDatabase) {
    this.#db = db;
    this.#count = Number(db.get('SELECT count(*) AS n FROM nonces')?.['n']);
  }

  /** @throws HUB_REPLAYED, HUB_BUSY */
  take({ key, nonce, atMs }: RequestClaim, nowMs: number): void {
    if (Math.abs(nowMs - this.#purgedMs) >= purgeEveryMs) this.#purge(nowMs);
    if (this.#count >= noncesMax) throw hubBusy('has too many requests to remember');
    const sql = 'INSERT OR IGNORE INTO nonces VALUES (?, ?)';
    // Until no clock could take the request for a new one.
    if (this.#db.run(sql, `${key.text} ${nonce}`, atMs + clockSkewMsMax) === 0) {
      throw new GridError<FlistErrorCode>('HUB_REPLAYED', 'this very request came before', {
        hint: 'sign a new one',
      });
    }
    this.#count++;
  }

  #purge(nowMs: number): void {
    this.#count -= this.#db.run('DELETE FROM nonces WHERE until_ms < ?', nowMs);
    this.#purgedMs = nowMs;
  }
}
