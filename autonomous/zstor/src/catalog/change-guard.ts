import { constants } from 'node:sqlite';
import type { DatabaseSync } from 'node:sqlite';
import { GridError } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';

/** What a change may ask of SQLite. Everything else would not be in the log, or end the batch. */
const allowed: ReadonlySet<number> = new Set([
  constants.SQLITE_SELECT,
  constants.SQLITE_READ,
  constants.SQLITE_FUNCTION,
  constants.SQLITE_RECURSIVE,
  constants.SQLITE_INSERT,
  constants.SQLITE_UPDATE,
  constants.SQLITE_DELETE,
]);
const writes: ReadonlySet<number> = new Set([
  constants.SQLITE_INSERT,
  constants.SQLITE_UPDATE,
  constants.SQLITE_DELETE,
]);

/** Keeps changes to rows of tables: no DDL, no transactions, no waiting. */
export class ChangeGuard {
  #isWatching = false;
  #refused: string | undefined;

  /** Looks at each statement that is prepared on this connection while a change runs. */
  watch(db: DatabaseSync): void {
    db.setAuthorizer((action, first) => {
      if (!this.#isWatching || this.#isAllowed(action, first)) return constants.SQLITE_OK;
      this.#refused = `action ${action} of SQLite${first === null ? '' : ` on ${first}`}`;
      return constants.SQLITE_DENY;
    });
  }

  /** @throws what `run` throws, ZSTOR_CATALOG_CHANGE_INVALID */
  run<T>(run: () => T): T {
    this.#isWatching = true;
    this.#refused = undefined;
    try {
      const result = run();
      if (result instanceof Promise) {
        result.catch(() => {});
        this.#refused = 'a promise as its result';
      }
      if (this.#refused !== undefined) throw invalid(this.#refused);
      return result;
    } catch (error) {
      throw this.#refused === undefined ? error : invalid(this.#refused, error);
    } finally {
      this.#isWatching = false;
    }
  }

  #isAllowed(action: number, first: string | null): boolean {
    // The session asks so for the columns of a table that is changed for the first time.
    if (action === constants.SQLITE_PRAGMA) return first === 'table_xinfo';
    if (!allowed.has(action)) return false;
    return !writes.has(action) || !/^(catalog|sqlite)_/.test(first ?? '');
  }
}

function invalid(what: string, cause?: unknown): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_CATALOG_CHANGE_INVALID', `a change cannot have ${what}`, {
    hint: 'change rows of tables, at once; tables themselves belong to the schema',
    cause,
  });
}
