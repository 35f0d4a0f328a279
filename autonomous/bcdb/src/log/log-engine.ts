import type { Entry } from '../record/entry.ts';
import type { LogProblem } from './log-problem.ts';

/** Size of the log and Merkle root (32 bytes) over its first `size` leaves. */
export interface LogHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Records that go into the log together, all or none. */
export interface LogBatch {
  /** Sequence of the first entry: the size of the log before. */
  readonly from: number;
  readonly entries: readonly Entry[];
  /** The head after them, which the engine keeps with them. */
  readonly head: LogHead;
}

/**
 * Where the entries of a log are kept: segment files, or PostgreSQL. It knows nothing of what the
 * entries mean. Sequences count from 0 without holes.
 *
 * One writer: `append` is called for one batch after the other, and a second call may come before
 * the first has ended; they end in order. After one failed, all later ones fail until the engine is
 * opened again.
 */
export interface LogEngine extends AsyncDisposable {
  /** The last head that is durable together with all its entries. Never moves back. */
  readonly head: LogHead;

  /**
   * Makes a batch durable. When it resolves, the entries and the head survive the loss of power, and
   * the head may be signed.
   * @throws BCDB_LOG_NOT_WRITER when another writer took over, BCDB_LOG_STOPPED after a failure,
   * BCDB_LOG_FULL when there is no room
   */
  append(batch: LogBatch): Promise<void>;

  /**
   * Entries from `from` up to, not including, `to`, in order, in groups of a bounded size. Entries at
   * or above `head.size` are never given out. Each leaf is checked for damage on the way.
   * @throws BCDB_LOG_CORRUPT naming the first bad sequence
   */
  read(from: number, to: number): AsyncIterable<readonly StoredEntry[]>;

  /** Drops the bodies of these sequences for good, from every copy that the engine keeps. */
  eraseBodies(sequences: readonly number[]): Promise<void>;

  /**
   * Puts in bodies that entries were appended without; an entry that has one keeps it. Nobody may do
   * that for what was erased. When it resolves, they survive the loss of power; killed before, the log
   * has some of them or none.
   * @throws BCDB_NOT_FOUND, BCDB_TOO_LARGE
   */
  addBodies(bodies: readonly StoredBody[]): Promise<void>;

  /** Reads everything from end to end and reports what is damaged, by height. */
  verify(): AsyncIterable<LogProblem>;

  close(): Promise<void>;
}

/** The body of the entry at a sequence. */
export interface StoredBody {
  readonly seq: number;
  readonly body: Uint8Array;
}

export interface StoredEntry extends Entry {
  readonly seq: number;
}
