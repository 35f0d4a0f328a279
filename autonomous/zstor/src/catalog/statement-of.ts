import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** Statements that a connection keeps prepared; the sources have some hundreds. */
const statementsMax = 1000;

const prepared = new WeakMap<DatabaseSync, Map<string, StatementSync>>();

/**
 * The statement of a text, prepared once for each connection: that takes longer than most of them run.
 * For `run`, `get` and `all`; an `iterate` that others interrupt needs a statement of its own. The text
 * must be one of the source, not made of values.
 */
export function statementOf(db: DatabaseSync, sql: string): StatementSync {
  let statements = prepared.get(db);
  if (statements === undefined) prepared.set(db, (statements = new Map()));
  let statement = statements.get(sql);
  if (statement === undefined) {
    if (statements.size >= statementsMax) statements.clear();
    statements.set(sql, (statement = db.prepare(sql)));
  }
  return statement;
}
