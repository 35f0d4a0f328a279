import { closeOnce, GridError, isGridError, Mutex } from '@commongrid/base';
import type { BcdbErrorCode } from '../../errors.ts';
import type { LogProblem } from '../log-problem.ts';
import type { LogEngine, LogHead, StoredEntry } from '../log-engine.ts';
import { PostgresConnection, reconnectMsDefault } from './connection.ts';
import { fetchSoundPage, problemsOf } from './entry-pages.ts';
import { unreachable } from './find-primary.ts';
import { checkOptions } from './postgres-log.ts';
import type { PostgresLogOptions } from './postgres-log.ts';
import { headOf } from './postgres-writer.ts';
import { answerMsDefault, failureOf, isPassing } from './session.ts';
import type { PostgresSession } from './session.ts';
import { selectHead, tablesVersion } from './statements.ts';
import type { HeadRow } from './statements.ts';

/**
 * A log in PostgreSQL as it was when it was opened, to be read only: whoever writes it goes on, and is
 * not taken over from.
 */
export class PostgresReader implements LogEngine {
  readonly head: LogHead;
  readonly close: () => Promise<void>;
  readonly #connection: PostgresConnection;
  readonly #mutex = new Mutex();

  private constructor(connection: PostgresConnection, head: LogHead) {
    this.head = head;
    this.#connection = connection;
    this.close = closeOnce(() => connection.close());
  }

  /** @throws BCDB_LOG_UNREACHABLE, BCDB_OTHER_LOG, BCDB_LOG_VERSION */
  static async open(options: PostgresLogOptions): Promise<PostgresReader> {
    checkOptions(options);
    const { urls, log, reconnectMs = reconnectMsDefault, answerMs = answerMsDefault } = options;
    // What can be read needs no standby.
    const connection = new PostgresConnection({
      ...{ urls, single: true, answerMs, reconnectMs },
      onConnect: () => Promise.resolve(),
    });
    try {
      const { rows } = await connection.run((session) => session.query<HeadRow>(selectHead));
      return new PostgresReader(connection, headOf(requireRow(rows[0], log)));
    } catch (error) {
      await connection.close();
      throw isGridError(error) || !isPassing(error) ? failureOf(error) : unreachable([error]);
    }
  }

  /** @throws BCDB_LOG_NOT_WRITER always */
  async append(): Promise<void> {
    throw notWriter();
  }

  async *read(from: number, to: number): AsyncGenerator<readonly StoredEntry[]> {
    const end = Math.min(to, this.head.size);
    for (let seq = Math.max(0, from); seq < end;) {
      const page = await this.#fetch((session) => fetchSoundPage(session, seq, end));
      yield page;
      seq += page.length;
    }
  }

  /** @throws BCDB_LOG_NOT_WRITER always */
  async eraseBodies(): Promise<void> {
    throw notWriter();
  }

  /** @throws BCDB_LOG_NOT_WRITER always */
  async addBodies(): Promise<void> {
    throw notWriter();
  }

  verify(): AsyncIterable<LogProblem> {
    return problemsOf((work) => this.#fetch(work), this.head.size);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One statement at a time. */
  async #fetch<T>(work: (session: PostgresSession) => Promise<T>): Promise<T> {
    try {
      return await this.#mutex.run(() => this.#connection.run(work));
    } catch (error) {
      throw failureOf(error);
    }
  }
}

function requireRow(row: HeadRow | undefined, log: Uint8Array): HeadRow {
  if (row === undefined || !row.log.equals(log)) {
    throw new GridError<BcdbErrorCode>(
      'BCDB_OTHER_LOG',
      'the database holds another log, or none',
      {
        hint: 'give the database of this log',
      },
    );
  }
  if (row.version === tablesVersion) return row;
  throw new GridError<BcdbErrorCode>(
    'BCDB_LOG_VERSION',
    `this log has tables of version ${row.version}; this program knows version ${tablesVersion}`,
    { hint: 'use the newer program that wrote it', details: { version: row.version } },
  );
}

function notWriter(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_LOG_NOT_WRITER', 'this log was opened to be read');
}
