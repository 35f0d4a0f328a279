import { Worker } from 'node:worker_threads';
import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import type { SignatureJob, SignatureResult } from './signature-pool.ts';

/** How often a job is given to a worker; one that ends its worker each time is given up. */
const attemptsMax = 2;

interface Running {
  readonly makeJob: (id: number) => SignatureJob;
  readonly settle: (isValid: Uint8Array) => void;
  readonly fail: (error: unknown) => void;
  attempts: number;
}

/** One worker thread, which starts with its first job. When it ends unasked, its jobs go to a new one. */
export class SignatureLane {
  readonly #jobs = new Map<number, Running>();
  #worker: Worker | undefined;
  #lastId = 0;

  /** Jobs that are not answered. */
  get load(): number {
    return this.#jobs.size;
  }

  /** Starts the thread ahead of its first job. */
  warm(): void {
    this.#worker ??= this.#start();
  }

  /**
   * Answers for each signature of a job, which may be made more than once.
   * @throws BCDB_INTERNAL when its worker ended each time
   */
  run(makeJob: (id: number) => SignatureJob): Promise<Uint8Array> {
    return new Promise((settle, fail) => this.#post({ makeJob, settle, fail, attempts: 0 }));
  }

  /** Ends the worker; jobs that are not answered fail. */
  async close(error: unknown): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    for (const { fail } of this.#jobs.values()) fail(error);
    this.#jobs.clear();
    await worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./signature-worker.ts', import.meta.url), {
      name: 'bcdb-signatures',
    });
    let cause: unknown;
    worker.unref();
    worker.on('message', (result: SignatureResult) => this.#finish(result));
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', () => this.#onEnd(worker, cause));
    return worker;
  }

  #post(job: Running): void {
    const id = ++this.#lastId;
    this.#jobs.set(id, job);
    job.attempts++;
    const message = job.makeJob(id);
    this.#worker ??= this.#start();
    this.#worker.postMessage(message, [message.bytes.buffer as ArrayBuffer]);
  }

  #finish({ id, isValid }: SignatureResult): void {
    const job = this.#jobs.get(id);
    this.#jobs.delete(id);
    job?.settle(isValid);
  }

  /** The next one is started when there is something to do. */
  #onEnd(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const jobs = [...this.#jobs.values()];
    this.#jobs.clear();
    for (const job of jobs) {
      if (job.attempts < attemptsMax) this.#post(job);
      else job.fail(broken(cause));
    }
  }
}

function broken(cause: unknown): GridError<BcdbErrorCode> {
  return new GridError('BCDB_INTERNAL', 'the thread that checks signatures ended', {
    hint: 'send the record again',
    retryable: true,
    cause,
  });
}
