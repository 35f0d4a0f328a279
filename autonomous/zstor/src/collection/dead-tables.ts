import type { DatabaseSync } from 'node:sqlite';
import { statementOf } from '../catalog/statement-of.ts';

/** A chunk that nothing refers to, or a small object whose copies nothing needs. */
export interface Dead {
  readonly chunkId: Buffer;
  /** It lives on in a pack. */
  readonly copiesOnly: boolean;
}

/** Nothing refers to a chunk any more: to be called in the change that removes the last that did. */
export function markDead(db: DatabaseSync, chunkId: Uint8Array): void {
  const sql = `INSERT INTO dead VALUES (?, 0) ON CONFLICT (chunk) DO UPDATE SET copies_only = 0`;
  statementOf(db, sql).run(chunkId);
}

/** A small object is read from a pack from here on. */
export function copiesAreDead(db: DatabaseSync, chunkId: Uint8Array): void {
  statementOf(db, 'INSERT INTO dead VALUES (?, 1) ON CONFLICT DO NOTHING').run(chunkId);
}

/** In the order of their ids, those after one. */
export function listDead(db: DatabaseSync, after: Uint8Array, limit: number): Dead[] {
  const sql = 'SELECT chunk, copies_only FROM dead WHERE chunk > ? ORDER BY chunk LIMIT ?';
  return statementOf(db, sql)
    .all(after, limit)
    .map((row) => {
      const { chunk } = row;
      const chunkId = chunk instanceof Uint8Array ? Buffer.from(chunk) : Buffer.alloc(0);
      return { chunkId, copiesOnly: row['copies_only'] === 1 };
    });
}

/** How many chunks there are still to be deleted. */
export function countDead(db: DatabaseSync): number {
  return Number(statementOf(db, 'SELECT count(*) AS n FROM dead').get()?.['n']);
}

export function findDead(db: DatabaseSync, chunkId: Uint8Array): Dead | undefined {
  const row = statementOf(db, 'SELECT copies_only FROM dead WHERE chunk = ?').get(chunkId);
  if (row === undefined) return undefined;
  return { chunkId: Buffer.from(chunkId), copiesOnly: row['copies_only'] === 1 };
}
