import { Socket } from 'node:net';
import { errorCode, GridError, isGridError } from '@commongrid/base';
import { Client, DatabaseError } from 'pg';
import type { ClientConfig, QueryConfig, QueryResult } from 'pg';
import type { BcdbErrorCode } from '../../errors.ts';

/** How long a server may take to accept a connection, milliseconds. */
const connectTimeoutMs = 5000;

/** How long a statement waits for a lock that another connection holds, milliseconds. */
const lockTimeoutMs = 5000;

/** A statement that lasts so long has its server asked whether it is still there, milliseconds. */
export const answerMsDefault = 10_000;

/** How long a server may take to close a connection, milliseconds. */
const goodbyeMs = 1000;

/** A commit of which nobody knows whether the standby has it. */
class UnconfirmedError extends Error {}

/**
 * One connection to a server that takes writes, used for one statement after the other.
 *
 * A statement that runs alone is a transaction, which ends before the server says that it is ready
 * for the next one. While the commit waits for the standby, it can be cancelled: the server then warns,
 * keeps the transaction, and reports success. So any warning means that the commit is in doubt.
 */
export class PostgresSession {
  readonly url: string;
  readonly #client: Client;
  readonly #socket: Socket;
  readonly #answerMs: number;
  #warning: string | undefined;
  #asking: Promise<void> | undefined;

  constructor(url: string, answerMs: number, { client, socket }: Connection) {
    this.url = url;
    this.#answerMs = answerMs;
    this.#client = client;
    this.#socket = socket;
    // A connection that is lost between two statements: the next one fails, and tells.
    client.on('error', () => undefined);
    client.on('notice', ({ severity, message }) => {
      if (severity === 'WARNING') this.#warning = message ?? 'a warning';
    });
  }

  /** @throws what pg throws when the server cannot be reached */
  static async open(url: string, answerMs: number): Promise<PostgresSession> {
    const connection = newConnection(url);
    const { client } = connection;
    const session = new PostgresSession(url, answerMs, connection);
    try {
      await client.connect();
      // A commit must wait for the standby, and however long that takes.
      await client.query(
        `SET synchronous_commit = on; SET statement_timeout = 0; SET lock_timeout = ${lockTimeoutMs}`,
      );
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  /** @throws what pg throws, also when the server has gone without a word */
  async query<R extends Record<string, unknown>>(config: QueryConfig): Promise<QueryResult<R>> {
    const timer = setInterval(() => {
      this.#asking ??= this.#endUnlessThere();
    }, this.#answerMs);
    try {
      return await this.#client.query<R>(config);
    } finally {
      clearInterval(timer);
    }
  }

  /**
   * Runs a statement that changes something. When this resolves, the standby has it.
   * @throws UnconfirmedError when the commit was not waited for
   */
  async commit<R extends Record<string, unknown>>(config: QueryConfig): Promise<QueryResult<R>> {
    this.#warning = undefined;
    const result = await this.query<R>(config);
    if (this.#warning !== undefined) throw new UnconfirmedError(this.#warning);
    return result;
  }

  /** Lets the connection go; what is running on it fails. */
  async close(): Promise<void> {
    await this.#asking;
    await end({ client: this.#client, socket: this.#socket });
  }

  /** A machine that lost its power says no word: the connection alone would wait for ever. */
  async #endUnlessThere(): Promise<void> {
    const other = newConnection(this.url, { query_timeout: connectTimeoutMs });
    other.client.on('error', () => undefined);
    try {
      await other.client.connect();
      await other.client.query('SELECT 1');
    } catch {
      this.#socket.destroy();
    } finally {
      await end(other);
      this.#asking = undefined;
    }
  }
}

interface Connection {
  readonly client: Client;
  readonly socket: Socket;
}

function newConnection(url: string, more: ClientConfig = {}): Connection {
  const socket = new Socket();
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    application_name: 'bcdb',
    stream: () => socket,
    ...more,
  });
  return { client, socket };
}

/** Says goodbye, but does not wait for the answer of a server that may be gone. */
async function end({ client, socket }: Connection): Promise<void> {
  const timer = setTimeout(() => socket.destroy(), goodbyeMs);
  try {
    await client.end();
  } catch {
    // It was lost already.
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a connection that is made anew may succeed where this error came from. */
export function isPassing(error: unknown): boolean {
  if (error instanceof UnconfirmedError) return true;
  if (error instanceof GridError) return error.retryable;
  if (!(error instanceof DatabaseError)) return isNetworkError(error);
  const { code = '' } = error;
  return passingCodes.has(code) || passingClasses.has(code.slice(0, 2));
}

/** What a failed statement means for the log. */
export function failureOf(cause: unknown): GridError<BcdbErrorCode> {
  const why = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof DatabaseError && cause.code === '53100') {
    return new GridError<BcdbErrorCode>('BCDB_LOG_FULL', `PostgreSQL has no room: ${why}`, {
      hint: 'make room, then open the log again',
      cause,
    });
  }
  if (isGridError<BcdbErrorCode>(cause) && cause.code.startsWith('BCDB_')) return cause;
  return new GridError<BcdbErrorCode>('BCDB_LOG_STOPPED', `PostgreSQL did not take it: ${why}`, {
    hint: 'open the log again: that tells what it holds',
    cause,
  });
}

function isNetworkError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return errorCode(error) !== undefined || /connection|timeout|not queryable/i.test(error.message);
}

const passingClasses: ReadonlySet<string> = new Set([
  '08', // the connection
  '40', // rolled back: serialization, deadlock
]);

const passingCodes: ReadonlySet<string> = new Set([
  '25006', // a server that has become a standby takes no writes
  '53300', // too many connections
  '55P03', // a lock was not to be had in time
  '57014', // cancelled before it committed
  '57P01', // the server is told to end
  '57P02', // the server ends after a crash of one of its processes
  '57P03', // the server is starting
  '57P05', // the session was idle for too long
]);
