import type { DatabaseSync } from 'node:sqlite';

/**
 * What is written to other places along with a record of the log, in the same turn. The places may
 * have it and the log not, or the other way round: so it notes in the tables what it sends, and whoever
 * serves next makes good what is missing.
 */
export interface Beside {
  /** A batch begins; what was added by the one before, which may run again, is void. */
  begin(): void;
  /**
   * All changes of the batch went through. Writes rows, within its transaction.
   * @param epoch of this head
   */
  note(db: DatabaseSync, epoch: number): void;
  /** The record is on its way: so may this be. */
  send(): void;
}

/** For tables with nothing beside them. */
export const nothingBeside: Beside = { begin: () => {}, note: () => {}, send: () => {} };
