import { Worker } from 'node:worker_threads';
import { closeOnce, GridError } from '@commongrid/base';
import type { GridErrorJson } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';

/** What a thread is asked, and what it answers. */
export interface ThreadCall {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

export type ThreadReply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: ThreadError };

/** A GridError as it is, any other as its text. */
export type ThreadError = GridErrorJson | { readonly message: string };

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Most calls that wait for a thread. */
const threadCallsMax = 1024;

/** One worker thread, called like a function. When it ends unasked, every waiting call fails. */
export class ThreadLink implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #failure: Error | undefined;

  constructor(file: URL, workerData: unknown, onEnd: (error: Error) => void) {
    this.#worker = new Worker(file, { workerData, name: 'bcdb-projection' });
    this.close = closeOnce(() => this.#close());
    this.#worker.on('message', (reply: ThreadReply) => this.#settle(reply));
    this.#worker.on('error', (error) => {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    });
    this.#worker.on('exit', (code) => {
      const failure = stopped(`its thread ended with ${code}`, this.#failure);
      this.#failure = failure;
      for (const { reject } of this.#waiting.values()) reject(failure);
      this.#waiting.clear();
      onEnd(failure);
    });
  }

  /** @throws BCDB_PROJECTION_STOPPED, and what the method throws */
  async call(
    method: string,
    args: readonly unknown[],
    transfer: ArrayBuffer[] = [],
  ): Promise<unknown> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#waiting.size >= threadCallsMax) throw busy();
    const id = ++this.#lastId;
    const reply = new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
    this.#worker.postMessage({ id, method, args } satisfies ThreadCall, transfer);
    return reply;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    if (this.#failure === undefined) await this.call('close', []);
    await this.#worker.terminate();
  }

  #settle(reply: ThreadReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ('error' in reply) waiting?.reject(revived(reply.error));
    else waiting?.resolve(reply.value);
  }
}

/** An error in a form that crosses threads and processes. */
export function threadError(error: unknown): ThreadError {
  if (error instanceof GridError) return error.toJSON();
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

export function revived(error: ThreadError): Error {
  if (!('code' in error)) return stopped(error.message);
  const { code, message, hint, retryable, details } = error;
  return new GridError(code, message, { hint, retryable, details });
}

export function stopped(reason: string, cause?: unknown): GridError<BcdbErrorCode> {
  return new GridError('BCDB_PROJECTION_STOPPED', `the projection stopped: ${reason}`, {
    retryable: true,
    cause,
  });
}

function busy(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_PROJECTION_BUSY', `${threadCallsMax} calls wait already`, {
    retryable: true,
    hint: 'ask less at a time, then retry',
  });
}
