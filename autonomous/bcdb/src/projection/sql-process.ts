import { runSql } from './sql-guard.ts';
import type { SqlParameter } from './sql-guard.ts';
import { threadError } from './thread-link.ts';

/** What the process is asked. */
export interface SqlRequest {
  readonly path: string;
  readonly sql: string;
  readonly parameters: readonly SqlParameter[];
}

/**
 * Entry point of a process that runs statements of users. A process and not a thread: SQLite does
 * not look up from a long statement, and only a process can be ended in the midst of one.
 */
process.on('message', ({ path, sql, parameters }: SqlRequest) => {
  try {
    process.send?.({ result: runSql(path, sql, parameters) });
  } catch (error) {
    process.send?.({ error: threadError(error) });
  }
});
// Its parent is gone: nobody waits for an answer.
process.on('disconnect', () => process.exit());
