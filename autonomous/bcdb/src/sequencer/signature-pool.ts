import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { GridError } from '@commongrid/base';
import type { BaseErrorCode } from '@commongrid/base';

/** Leaves of one message to a worker, so that all workers get some. */
const leavesPerJobMax = 64;

/** What a worker is asked: leaves one after the other in `bytes`, and where each ends. */
export interface SignatureJob {
  readonly id: number;
  readonly keys: readonly string[];
  readonly ends: readonly number[];
  readonly bytes: Uint8Array;
}

export interface SignatureResult {
  readonly id: number;
  readonly isValid: readonly boolean[];
}

interface Waiting {
  readonly key: string;
  readonly leaf: Uint8Array;
  readonly settle: (isValid: boolean) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Checks signatures beside the main thread: they are most of what a record costs. Leaves that come
 * in one turn of the event loop travel together.
 */
export class SignaturePool implements AsyncDisposable {
  readonly #workers: readonly Worker[];
  readonly #jobs = new Map<number, readonly Waiting[]>();
  #waiting: Waiting[] = [];
  #nextId = 0;
  #failure: unknown;

  private constructor(workers: readonly Worker[]) {
    this.#workers = workers;
    for (const worker of workers) {
      worker.unref();
      worker.on('message', (result: SignatureResult) => this.#finish(result));
      worker.on('error', (error) => this.#fail(error));
    }
  }

  /** Default: a worker for each core but one. */
  static open(count: number = Math.max(1, availableParallelism() - 1)): SignaturePool {
    const file = new URL('./signature-worker.ts', import.meta.url);
    return new SignaturePool(Array.from({ length: count }, () => new Worker(file)));
  }

  /** Whether `key` signed the envelope of a leaf. */
  check(key: string, leaf: Uint8Array): Promise<boolean> {
    if (this.#failure !== undefined) return Promise.reject(closed(this.#failure));
    return new Promise((settle, fail) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#send());
      this.#waiting.push({ key, leaf, settle, fail });
    });
  }

  async close(): Promise<void> {
    this.#fail(new Error('the pool was closed'));
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #send(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    const share = Math.ceil(waiting.length / this.#workers.length);
    const size = Math.max(1, Math.min(leavesPerJobMax, share));
    for (let from = 0; from < waiting.length; from += size) {
      this.#post(waiting.slice(from, from + size));
    }
  }

  #post(group: readonly Waiting[]): void {
    const bytes = new Uint8Array(group.reduce((sum, { leaf }) => sum + leaf.length, 0));
    const ends: number[] = [];
    let at = 0;
    for (const { leaf } of group) {
      bytes.set(leaf, at);
      at += leaf.length;
      ends.push(at);
    }
    const id = this.#nextId++;
    this.#jobs.set(id, group);
    const job: SignatureJob = { id, keys: group.map(({ key }) => key), ends, bytes };
    this.#workers[id % this.#workers.length]?.postMessage(job, [bytes.buffer]);
  }

  #finish({ id, isValid }: SignatureResult): void {
    const group = this.#jobs.get(id) ?? [];
    this.#jobs.delete(id);
    for (const [index, { settle }] of group.entries()) settle(isValid[index] === true);
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    const all = [...this.#waiting, ...[...this.#jobs.values()].flat()];
    this.#waiting = [];
    this.#jobs.clear();
    for (const { fail } of all) fail(closed(error));
  }
}

function closed(cause: unknown): GridError<BaseErrorCode> {
  return new GridError('BASE_CLOSED', 'signatures are not checked any more', { cause });
}
