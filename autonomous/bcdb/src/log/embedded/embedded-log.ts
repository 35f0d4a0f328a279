import { closeOnce, FolderLock, GridError } from '@commongrid/base';
import type { BaseErrorCode } from '@commongrid/base';
import { makeFolder, realFiles } from '@commongrid/files';
import type { Files } from '@commongrid/files';
import { checkAdditions } from '../batch.ts';
import type { LogBatch, LogEngine, LogHead, StoredBody, StoredEntry } from '../log-engine.ts';
import type { LogProblem } from '../log-problem.ts';
import { addBodies } from './add-bodies.ts';
import { Eraser } from './erasure.ts';
import type { HeadFile } from './head-file.ts';
import { LogReader } from './log-reader.ts';
import { failureOf, isFull, LogWriter } from './log-writer.ts';
import { recover } from './recovery.ts';
import type { LogEvent, Recovered } from './recovery.ts';
import type { SegmentTable } from './segment.ts';
import { SegmentRewriter } from './segment-rewriter.ts';
import { verifyLogFolder } from './verify-folder.ts';

export interface EmbeddedLogOptions {
  /** Folder of this log alone; it is made when it is missing. */
  readonly folder: string;
  /** Hash of the genesis, 32 bytes: a folder never changes its log. */
  readonly log: Uint8Array;
  /** A segment that has reached so many bytes is finished. Default 64 MiB, at most 1 GiB. */
  readonly segmentBytes?: number;
  /** The last head that anybody saw: takes the place of an older, damaged or lost head file. */
  readonly restoreHead?: LogHead;
  readonly files?: Files;
}

const segmentBytesDefault = 64 * 1024 * 1024;

/** Offsets in the index of a segment have 32 bits, and one batch may go beyond this. */
const segmentBytesMax = 1024 * 1024 * 1024;

/** A log in segment files of one folder. docs/formats/bcdb-log.md describes them. */
export class EmbeddedLog implements LogEngine {
  /** What the start had to set aside. */
  readonly events: readonly LogEvent[];
  readonly close: () => Promise<void>;
  readonly #options: EmbeddedLogOptions;
  readonly #files: Files;
  readonly #writer: LogWriter;
  readonly #reader: LogReader;
  readonly #table: SegmentTable;
  readonly #rewriter: SegmentRewriter;
  readonly #eraser: Eraser;
  #isClosed = false;

  constructor(options: EmbeddedLogOptions, recovered: Recovered, lock: FolderLock) {
    const { table, headFile, head, events } = recovered;
    const { segmentBytes = segmentBytesDefault } = options;
    this.events = events;
    this.#options = options;
    this.#files = table.files;
    this.#writer = new LogWriter({ table, headFile, head, segmentBytes });
    this.#reader = new LogReader(table);
    this.#table = table;
    const [writer, reader] = [this.#writer, this.#reader];
    this.#rewriter = new SegmentRewriter({ table, writer, reader });
    this.#eraser = new Eraser({ table, writer, rewriter: this.#rewriter });
    this.close = closeOnce(() => this.#close(table, headFile, lock));
  }

  /**
   * @throws BCDB_LOG_CORRUPT with the first bad sequence; BCDB_LOG_HEAD_LOST; BCDB_LOG_VERSION;
   * BCDB_OTHER_LOG; BASE_FOLDER_LOCKED: none of them has changed a file. BCDB_LOG_FULL.
   */
  static async open(options: EmbeddedLogOptions): Promise<EmbeddedLog> {
    checkOptions(options);
    const { folder, files = realFiles } = options;
    makeFolder(files, folder);
    const lock = await FolderLock.open(folder);
    let log: EmbeddedLog | undefined;
    try {
      log = new EmbeddedLog(options, recover({ ...options, files }), lock);
      await log.#eraser.resume();
      return log;
    } catch (error) {
      await (log ?? lock).close();
      throw isFull(error) ? failureOf(error) : error;
    }
  }

  get head(): LogHead {
    return this.#writer.head;
  }

  async append(batch: LogBatch): Promise<void> {
    this.#checkOpen();
    await this.#writer.append(batch);
  }

  async *read(from: number, to: number): AsyncGenerator<readonly StoredEntry[]> {
    this.#checkOpen();
    yield* this.#reader.read(Math.max(0, from), Math.min(to, this.head.size));
  }

  async eraseBodies(sequences: readonly number[]): Promise<void> {
    this.#checkOpen();
    await this.#eraser.erase(sequences);
  }

  async addBodies(bodies: readonly StoredBody[]): Promise<void> {
    this.#checkOpen();
    checkAdditions(bodies, this.head.size);
    await addBodies(this.#table, this.#rewriter, bodies);
  }

  /** Reads all files from end to end and reports what is damaged, by height. */
  verify(): AsyncGenerator<LogProblem> {
    const { folder, log } = this.#options;
    return verifyLogFolder({ folder, log, files: this.#files, size: this.head.size });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(table: SegmentTable, headFile: HeadFile, lock: FolderLock): Promise<void> {
    this.#isClosed = true;
    await this.#rewriter.idle();
    await this.#writer.drain();
    table.close();
    headFile.close();
    await lock.close();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new GridError<BaseErrorCode>('BASE_CLOSED', 'the log is closed');
  }
}

/** @throws BASE_OPTION_INVALID */
function checkOptions({ log, segmentBytes = segmentBytesDefault }: EmbeddedLogOptions): void {
  if (log.length === 32 && segmentBytes >= 1 && segmentBytes <= segmentBytesMax) return;
  throw new GridError<BaseErrorCode>(
    'BASE_OPTION_INVALID',
    `a log id has 32 bytes, a segment 1 to ${segmentBytesMax}`,
    { details: { logBytes: log.length, segmentBytes } },
  );
}
