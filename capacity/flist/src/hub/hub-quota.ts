import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { HubDatabase } from './hub-database.ts';

const hourMs = 3_600_000;

/**
 * What users may take. Two sums are held to the same quota: the images that a user's names say or
 * said, each at its full size whoever else has it, so that nobody's sum depends on what others do;
 * and the new chunks that a user brought within the grace, whether anything names them or not.
 */
export class HubQuota {
  readonly #db: HubDatabase;
  readonly #usualBytes: number;
  readonly #graceMs: number;

  constructor(db: HubDatabase, usualBytes: number, graceMs: number) {
    this.#db = db;
    this.#usualBytes = usualBytes;
    this.#graceMs = graceMs;
  }

  /** What a user may take. */
  quotaBytes(user: string): number {
    const row = this.#db.get('SELECT bytes FROM quotas WHERE user = ?', user);
    return row === undefined ? this.#usualBytes : Number(row['bytes']);
  }

  /** Undefined: what everybody may take. What is there already stays, above it nothing comes. */
  set(user: string, bytes: number | undefined): void {
    if (bytes === undefined) this.#db.run('DELETE FROM quotas WHERE user = ?', user);
    else this.#db.run('INSERT OR REPLACE INTO quotas VALUES (?, ?)', user, bytes);
  }

  usedBytes(user: string): number {
    const row = this.#db.get(
      `SELECT coalesce(sum(bytes), 0) AS n FROM flists WHERE digest IN
        (SELECT digest FROM versions WHERE user = ?)`,
      user,
    );
    return Number(row?.['n']);
  }

  /** After names changed, within the transaction. @throws HUB_QUOTA_REACHED */
  checkNames(user: string): void {
    const usedBytes = this.usedBytes(user);
    if (usedBytes > this.quotaBytes(user)) throw this.#reached(user, usedBytes);
  }

  /** Counts chunks that a user is about to bring. @throws HUB_QUOTA_REACHED */
  bring(user: string, bytes: number, nowMs: number): void {
    const first = Math.floor((nowMs - this.#graceMs) / hourMs);
    this.#db.transaction(() => {
      this.#db.run('DELETE FROM brought WHERE hour < ?', first);
      const sql = 'SELECT coalesce(sum(bytes), 0) AS n FROM brought WHERE user = ?';
      const brought = Number(this.#db.get(sql, user)?.['n']) + bytes;
      if (brought > this.quotaBytes(user)) throw this.#reached(user, brought);
      this.#db.run(
        `INSERT INTO brought VALUES (?, ?, ?)
          ON CONFLICT (user, hour) DO UPDATE SET bytes = bytes + excluded.bytes`,
        ...[user, Math.floor(nowMs / hourMs), bytes],
      );
    });
  }

  #reached(user: string, bytes: number): GridError<FlistErrorCode> {
    const quotaBytes = this.quotaBytes(user);
    const message = `${user} would take ${bytes} of ${quotaBytes} bytes`;
    return new GridError('HUB_QUOTA_REACHED', message, {
      hint: 'delete repositories or what names said before, or ask the hub for more',
      details: { user, bytes, quotaBytes },
    });
  }
}
