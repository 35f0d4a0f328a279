import { Worker } from 'node:worker_threads';
import { GridError } from '@commongrid/base';
import type { BaseErrorCode, GridErrorJson } from '@commongrid/base';
import { threadEnded } from './coding-work.ts';
import type { CodingReply, CodingRequest, Memory } from './coding-work.ts';

export interface ThreadRequest {
  readonly id: number;
  readonly request: CodingRequest;
}

export type ThreadAnswer =
  | { readonly id: number; readonly reply: CodingReply }
  | { readonly id: number; readonly error: GridErrorJson };

interface Running {
  readonly settle: (reply: CodingReply) => void;
  readonly fail: (error: Error) => void;
}

/**
 * One worker thread. When it ends unasked, its requests fail: their memory ended with it. The next
 * request starts another.
 */
export class ThreadLane {
  readonly #running = new Map<number, Running>();
  #worker: Worker | undefined;
  #lastId = 0;

  get load(): number {
    return this.#running.size;
  }

  run(request: CodingRequest): Promise<CodingReply> {
    return new Promise((settle, fail) => {
      const id = ++this.#lastId;
      this.#worker ??= this.#start();
      this.#running.set(id, { settle, fail });
      this.#worker.ref();
      const message: ThreadRequest = { id, request };
      this.#worker.postMessage(
        message,
        memoryOf(request).map(({ buffer }) => buffer),
      );
    });
  }

  /** Ends the thread; requests that are not answered fail. */
  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#failAll(new GridError<BaseErrorCode>('BASE_CLOSED', 'chunks are not coded any more'));
    await worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./coding-thread.ts', import.meta.url), {
      name: 'zstor-coding',
    });
    let cause: unknown;
    worker.on('message', (answer: ThreadAnswer) => this.#finish(worker, answer));
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', () => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#failAll(threadEnded('a coding thread ended', cause));
    });
    return worker;
  }

  /** A thread holds the process only while it works. */
  #finish(worker: Worker, answer: ThreadAnswer): void {
    const running = this.#running.get(answer.id);
    this.#running.delete(answer.id);
    if (this.#running.size === 0) worker.unref();
    if ('reply' in answer) running?.settle(answer.reply);
    else running?.fail(errorOf(answer.error));
  }

  #failAll(error: Error): void {
    const all = [...this.#running.values()];
    this.#running.clear();
    for (const { fail } of all) fail(error);
  }
}

/** What moves to the thread with a request. */
function memoryOf(request: CodingRequest): Memory[] {
  if (request.kind === 'seal') return [request.plaintext, request.memory];
  if (request.kind === 'open' || request.kind === 'repair') {
    return [request.values.memory, request.memory];
  }
  return request.kind === 'hash' ? [request.bytes] : [];
}

function errorOf({ code, message, hint, retryable, details }: GridErrorJson): GridError {
  return new GridError(code, message, { hint, retryable, details });
}
