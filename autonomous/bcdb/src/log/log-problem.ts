/** Entries of a log that are not there as they were written. */
export interface LogProblem {
  /** The first of them. */
  readonly seq: number;
  /** The first one behind them that is sound; equal to `seq` where no entry is hit. */
  readonly end: number;
  /** The file, or the table. */
  readonly file: string;
  /** Where in the file, bytes. */
  readonly offset: number;
  readonly text: string;
}
