import type { Readable } from 'node:stream';
import type { GridRecord, RecordUrl } from '@commongrid/model';

export interface SourceChange {
  readonly records: readonly GridRecord[];
  /** Log time then, ms since 1970. */
  readonly at: number;
  /** What to ask after next time. */
  readonly cursor: string;
}

/** Something that the node signs. */
export interface NodeStatement {
  readonly url: RecordUrl;
  readonly obj: string;
  readonly value: object;
}

/**
 * Where a node learns what it is to do: all records that concern it, each verified to be in the log,
 * signed by its author, and none of them missing. `runner/` plugs BCDB in; `FolderSource` reads files.
 */
export interface WorkloadSource extends AsyncDisposable {
  /** Hash of the genesis. */
  readonly log: string;
  /**
   * What came after a cursor, '' for all, and then whatever comes, also with no records when it is
   * only sure that there are none; until the signal fires. Records can come twice, and one that the
   * node relies on only now after later ones.
   */
  changes(cursor: string, signal: AbortSignal): AsyncIterable<SourceChange>;
  /** Age of the newest word on what is in the log, s; Infinity when that is not to be trusted. */
  viewAgeSeconds(): number;
  /**
   * Time since the last sign of life was sent that is known to have come in, s; Infinity before the
   * first one. Where nobody waits for signs of life, as long as `viewAgeSeconds`.
   */
  silentSeconds(): number;
  /** Says something once: again and again with the same statement comes to the same. */
  say(statement: NodeStatement, signal: AbortSignal): Promise<void>;
  /** Shows from now on that the node lives, in this session. */
  attend(session: NodeSession): void;
}

/** A run of the machine, as its `session` record names it. */
export interface NodeSession {
  readonly n: number;
  readonly bootId: string;
}

/** Where backups of volumes go, and come from. `runner/` plugs Zero-Stor in. */
export interface BackupTarget {
  /** Keeps all that the stream gives under a name; nothing when it breaks off. */
  put(name: string, content: Readable, signal: AbortSignal): Promise<void>;
  /** @throws NODE_BACKUP_UNKNOWN */
  get(name: string, signal: AbortSignal): Promise<Readable>;
  /** Names that begin so, sorted. */
  list(prefix: string, signal: AbortSignal): Promise<readonly string[]>;
  delete(name: string, signal: AbortSignal): Promise<void>;
}
