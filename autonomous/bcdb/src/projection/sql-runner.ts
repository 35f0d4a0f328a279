import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeOnce, GridError, throwIfAborted } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import { limit } from './sql-guard.ts';
import type { SqlResult } from './sql-guard.ts';
import type { SqlRequest } from './sql-process.ts';
import { revived } from './thread-link.ts';
import type { ThreadError } from './thread-link.ts';

export interface SqlRunnerOptions {
  /** Longest run of a statement. Default 5000. */
  readonly timeoutMs?: number;
  /** Statements that run at a time, each in a process. Default 2. */
  readonly processes?: number;
}

/** Most statements that wait for their turn. */
const sqlWaitingMax = 64;

type SqlReply = { readonly result: SqlResult } | { readonly error: ThreadError };

/** Runs statements in processes, started when needed, killed when a statement takes too long. */
export class SqlRunner implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #timeoutMs: number;
  readonly #processes: number;
  readonly #idle: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #isClosed = false;

  constructor({ timeoutMs = 5000, processes = 2 }: SqlRunnerOptions = {}) {
    this.#timeoutMs = timeoutMs;
    this.#processes = processes;
    this.close = closeOnce(() => this.#close());
  }

  /** @throws BCDB_SQL_REFUSED, BCDB_SQL_LIMIT, BCDB_PROJECTION_BUSY, BASE_ABORTED */
  async run(request: SqlRequest, options: { signal?: AbortSignal } = {}): Promise<SqlResult> {
    throwIfAborted(options.signal);
    await this.#turn();
    try {
      if (this.#isClosed) throw ended('it was closed');
      const child = this.#idle.pop() ?? this.#start();
      const reply = await this.#ask(child, request, options.signal);
      if (child.connected && !this.#isClosed) this.#idle.push(child);
      if ('error' in reply) throw revived(reply.error);
      return reply.result;
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #turn(): Promise<void> {
    if (this.#running < this.#processes) {
      this.#running++;
      return;
    }
    if (this.#waiting.length >= sqlWaitingMax) throw busy();
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
  }

  #start(): ChildProcess {
    const child = fork(new URL('./sql-process.ts', import.meta.url), {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
    });
    this.#all.add(child);
    child.once('exit', () => this.#all.delete(child));
    return child;
  }

  #ask(
    child: ChildProcess,
    request: SqlRequest,
    signal: AbortSignal | undefined,
  ): Promise<SqlReply> {
    const { promise, resolve, reject } = Promise.withResolvers<SqlReply>();
    const kill = (error: Error): void => {
      child.kill('SIGKILL');
      reject(error);
    };
    const timer = setTimeout(
      () => kill(limit(`the statement ran longer than ${this.#timeoutMs} ms`)),
      this.#timeoutMs,
    );
    const onAbort = (): void => kill(ended('nobody waits for it', signal?.reason));
    const onExit = (): void => reject(ended('its process ended'));
    const onMessage = (reply: unknown): void => resolve(reply as SqlReply);
    signal?.addEventListener('abort', onAbort, { once: true });
    child.once('message', onMessage);
    child.once('exit', onExit);
    child.once('error', reject);
    child.send(request, (error) => {
      if (error !== null) reject(error);
    });
    return promise.finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      child.off('message', onMessage);
      child.off('exit', onExit);
      child.off('error', reject);
    });
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(
      [...this.#all].map(
        (child) =>
          new Promise<void>((resolve) => {
            child.once('exit', () => resolve());
            child.kill('SIGKILL');
          }),
      ),
    );
  }
}

function ended(reason: string, cause?: unknown): GridError<BcdbErrorCode> {
  return new GridError('BCDB_PROJECTION_STOPPED', `the statement was stopped: ${reason}`, {
    retryable: true,
    cause,
  });
}

function busy(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_PROJECTION_BUSY', `${sqlWaitingMax} statements wait already`, {
    retryable: true,
  });
}
