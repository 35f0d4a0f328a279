import { hash } from 'node:crypto';
import { closeOnce, delay, GridError, isGridError, Mutex } from '@commongrid/base';
import type { BaseErrorCode } from '@commongrid/base';
import type { BcdbErrorCode } from '../../errors.ts';
import { checkAdditions, checkErasures } from '../batch.ts';
import type { LogProblem } from '../log-problem.ts';
import type { LogBatch, LogEngine, LogHead, StoredBody, StoredEntry } from '../log-engine.ts';
import { PostgresConnection, reconnectMsDefault } from './connection.ts';
import { fetchSoundPage, problemsOf } from './entry-pages.ts';
import { findPrimary, unreachable, urlsMax } from './find-primary.ts';
import type { PrimaryOptions } from './find-primary.ts';
import { headOf, PostgresWriter } from './postgres-writer.ts';
import { answerMsDefault, failureOf, isPassing } from './session.ts';
import type { PostgresSession } from './session.ts';
import {
  createTables,
  insertHead,
  selectHead,
  tablesVersion,
  takeOver,
  vacuum,
} from './statements.ts';
import type { HeadRow } from './statements.ts';

export interface PostgresLogOptions {
  /**
   * Connection strings of the database on every server that may be the primary: the one that takes
   * writes is used. A database holds one log. Connect to the servers themselves, not to a pooler.
   */
  readonly urls: readonly string[];
  /** Hash of the genesis, 32 bytes. */
  readonly log: Uint8Array;
  /** Do without a synchronous standby: what the one server loses is lost. Default false. */
  readonly single?: boolean;
  /** How long to look for a server when the connection is lost, milliseconds. Default 30 000. */
  readonly reconnectMs?: number;
  /**
   * A statement that lasts so long has its server asked, on another connection, whether it is still
   * there, milliseconds. Default 10 000.
   */
  readonly answerMs?: number;
}

/** How long close waits for appends that wait for their standby, milliseconds. */
const closeWaitMs = 10_000;

/** A log in the tables of a PostgreSQL database. docs/formats/bcdb-postgres.md describes them. */
export class PostgresLog implements LogEngine {
  readonly close: () => Promise<void>;
  readonly #writer: PostgresWriter;
  readonly #reading: PostgresConnection;
  readonly #readMutex = new Mutex();
  #isClosed = false;

  constructor(writer: PostgresWriter, reading: PostgresConnection) {
    this.#writer = writer;
    this.#reading = reading;
    this.close = closeOnce(() => this.#close());
  }

  /**
   * Takes over as the writer of the log; from now on a former writer is refused.
   * @throws BCDB_LOG_UNREACHABLE, BCDB_LOG_NOT_DURABLE, BCDB_OTHER_LOG, BCDB_LOG_VERSION
   */
  static async open(options: PostgresLogOptions): Promise<PostgresLog> {
    checkOptions(options);
    const { urls, log, single = false, reconnectMs = reconnectMsDefault } = options;
    const { answerMs = answerMsDefault } = options;
    const primary = { urls, single, answerMs };
    const session = await findPrimary(primary);
    try {
      const row = await whileDurable(takeTerm(session, log), primary);
      const term = Number(row.term);
      const head = headOf(row);
      const writer = new PostgresWriter({ ...primary, reconnectMs, session, term, head });
      // What can be read was confirmed before: that needs no standby.
      const onConnect = (): Promise<void> => Promise.resolve();
      const reading = new PostgresConnection({
        ...primary,
        single: true,
        reconnectMs,
        onConnect,
      });
      return new PostgresLog(writer, reading);
    } catch (error) {
      await session.close();
      throw isGridError(error) || !isPassing(error) ? failureOf(error) : unreachable([error]);
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
    const end = Math.min(to, this.head.size);
    for (let seq = Math.max(0, from); seq < end;) {
      const page = await this.#fetch((session) => fetchSoundPage(session, seq, end));
      yield page;
      seq += page.length;
    }
  }

  async eraseBodies(sequences: readonly number[]): Promise<void> {
    this.#checkOpen();
    checkErasures(sequences, this.head.size);
    if (sequences.length === 0) return;
    await this.#writer.erase(sequences);
    await this.#fetch((session) => session.query(vacuum));
  }

  async addBodies(bodies: readonly StoredBody[]): Promise<void> {
    this.#checkOpen();
    checkAdditions(bodies, this.head.size);
    if (bodies.length > 0) await this.#writer.add(bodies);
  }

  /** Reads all entries and reports what is damaged or missing, by height. */
  verify(): AsyncIterable<LogProblem> {
    return problemsOf((work) => this.#fetch(work), this.head.size);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One statement at a time on the connection for reading. */
  async #fetch<T>(work: (session: PostgresSession) => Promise<T>): Promise<T> {
    this.#checkOpen();
    try {
      return await this.#readMutex.run(() => this.#reading.run(work));
    } catch (error) {
      throw failureOf(error);
    }
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    const controller = new AbortController();
    // Fails only when there is no more need of it.
    const patience = delay(closeWaitMs, { signal: controller.signal }).catch(() => undefined);
    await Promise.race([this.#writer.drain(), patience]);
    controller.abort();
    await this.#writer.close();
    await this.#reading.close();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new GridError<BaseErrorCode>('BASE_CLOSED', 'the log is closed');
  }
}

/** How often a start that waits for its standby looks whether there is one, milliseconds. */
const lookEveryMs = 1000;

/**
 * The result of a commit. A standby that is gone, and was still listed when the server was chosen,
 * would have it wait for as long as it is away: then nothing is opened.
 * @throws BCDB_LOG_NOT_DURABLE, BCDB_LOG_UNREACHABLE
 */
async function whileDurable<T>(commit: Promise<T>, primary: PrimaryOptions): Promise<T> {
  const ended = new AbortController();
  const { signal } = ended;
  const watch = async (): Promise<never> => {
    for (;;) {
      await delay(lookEveryMs, { signal });
      await (await findPrimary(primary)).close();
    }
  };
  try {
    return await Promise.race([commit, watch()]);
  } finally {
    ended.abort();
  }
}

/** Makes the tables if need be, and this process the writer. */
async function takeTerm(session: PostgresSession, log: Uint8Array): Promise<HeadRow> {
  await session.query({ text: createTables });
  await session.commit(insertHead(log, { size: 0, root: hash('sha256', '', 'buffer') }));
  const { rows } = await session.commit<HeadRow>(takeOver(log));
  const [row] = rows;
  if (row !== undefined) return row;
  const found = await session.query<HeadRow>(selectHead);
  const version = found.rows[0]?.version;
  if (version === tablesVersion) {
    throw new GridError<BcdbErrorCode>('BCDB_OTHER_LOG', 'the database holds another log', {
      hint: 'give the database of this log, or an empty one',
    });
  }
  throw new GridError<BcdbErrorCode>(
    'BCDB_LOG_VERSION',
    `this log has tables of version ${version}; this program knows version ${tablesVersion}`,
    { hint: 'use the newer program that wrote it', details: { version } },
  );
}

/** @throws BASE_OPTION_INVALID */
export function checkOptions({ urls, log }: PostgresLogOptions): void {
  if (log.length === 32 && urls.length > 0 && urls.length <= urlsMax) return;
  throw new GridError<BaseErrorCode>(
    'BASE_OPTION_INVALID',
    `a log id has 32 bytes, and 1 to ${urlsMax} servers may hold the log`,
    { details: { logBytes: log.length, urls: urls.length } },
  );
}
