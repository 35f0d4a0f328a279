import type { DatabaseSync } from 'node:sqlite';

/**
 * Does several things in one transaction of SQLite, or none of them: what `work` throws is thrown
 * once it is undone.
 */
export function inTransaction<Result>(db: DatabaseSync, work: () => Result): Result {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    // When the disk is full SQLite itself has rolled back already.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}
