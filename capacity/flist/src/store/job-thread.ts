import { Worker } from 'node:worker_threads';

/** Says which job an answer is for. */
interface Numbered {
  readonly number: number;
}

/**
 * A thread that does one job after the other. It begins with its first job, and does not keep a process
 * alive that has nothing else to do.
 */
export class JobThread<Job extends Numbered, Result extends Numbered> {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, PromiseWithResolvers<Result>>();
  #next = 0;

  /** @param onEnd called when the thread has ended; those who wait then get the reason */
  constructor(program: URL, onEnd: () => void) {
    this.#worker = new Worker(program);
    this.#worker.unref();
    this.#worker.on('message', (result: Result) => this.#take(result));
    let reason: unknown = new Error('a thread of the store has ended');
    this.#worker.on('error', (error) => (reason = error));
    this.#worker.on('exit', () => {
      onEnd();
      for (const { reject } of this.#waiting.values()) reject(reason);
      this.#waiting.clear();
    });
  }

  /** Under way or in line. Whoever calls bounds how many there are. */
  get jobs(): number {
    return this.#waiting.size;
  }

  /** @param transfer what is the thread's from then on */
  run(job: Omit<Job, 'number'>, transfer: readonly ArrayBuffer[] = []): Promise<Result> {
    const number = this.#next++;
    const outcome = Promise.withResolvers<Result>();
    this.#waiting.set(number, outcome);
    this.#worker.ref();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    this.#worker.postMessage({ ...job, number }, transfer);
    return outcome.promise;
  }

  #take(result: Result): void {
    const outcome = this.#waiting.get(result.number);
    this.#waiting.delete(result.number);
    if (this.#waiting.size === 0) this.#worker.unref();
    outcome?.resolve(result);
  }
}
