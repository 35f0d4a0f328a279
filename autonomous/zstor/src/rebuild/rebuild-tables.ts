import type { DatabaseSync } from 'node:sqlite';
import { statementOf } from '../catalog/statement-of.ts';

/**
 * One row when the tables were made again without their log. `epoch_base` is added to the epochs of the
 * new log in ids of chunks, so that none is used twice.
 */
export const rebuildTable = `
  CREATE TABLE rebuilt (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at_ms INTEGER NOT NULL,
    epoch_base INTEGER NOT NULL,
    is_accepted INTEGER NOT NULL
  ) STRICT;
`;

/**
 * Whether these tables were made again without their log, and nobody has looked at them since: they may
 * have what was deleted, and nothing must be deleted because of them.
 */
export function isRebuilt(db: DatabaseSync): boolean {
  return statementOf(db, 'SELECT 1 FROM rebuilt WHERE is_accepted = 0').get() !== undefined;
}

/** The tables are right as they are: deleting, lifecycle and collection go on. */
export function acceptRebuild(db: DatabaseSync): void {
  statementOf(db, 'UPDATE rebuilt SET is_accepted = 1').run();
}

/** @param epochBase as large as any epoch that was in use */
export function noteRebuild(db: DatabaseSync, atMs: number, epochBase: number): void {
  statementOf(db, 'INSERT OR REPLACE INTO rebuilt VALUES (1, ?, ?, 0)').run(atMs, epochBase);
}

/** What ids of chunks add to the epoch of the log. */
export function epochBaseOf(db: DatabaseSync): number {
  const row = statementOf(db, 'SELECT epoch_base FROM rebuilt').get();
  return Number(row?.['epoch_base'] ?? 0);
}
