import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

import type { FrameWant } from './unpack-frame.ts';
import type { UnpackJob, UnpackResult } from './unpack-worker.ts';

/** Threads that unpack and verify chunks; fewer where there are fewer processors. */
const threadsMax = 2;

/**
 * Threads that unpack and verify what is too much for the main thread: the thread pool of Node would
 * need four trips and twice the memory for each chunk. They begin with the first chunk, and do not
 * keep a process alive that has nothing else to do.
 */
export class UnpackWorkers {
  readonly #threads: UnpackThread[] = [];

  /** @returns the plaintext, or what is wrong with the chunk */
  unpack(want: FrameWant, packed: Uint8Array): Promise<Buffer | string> {
    return this.#leastBusy().unpack(want, packed);
  }

  #leastBusy(): UnpackThread {
    const [idlest] = this.#threads.toSorted((a, b) => a.jobs - b.jobs);
    const isFull = this.#threads.length >= Math.min(threadsMax, availableParallelism());
    if (idlest !== undefined && (idlest.jobs === 0 || isFull)) return idlest;
    const thread = new UnpackThread(() => this.#threads.splice(this.#threads.indexOf(thread), 1));
    this.#threads.push(thread);
    return thread;
  }
}

class UnpackThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, PromiseWithResolvers<Buffer | string>>();
  #next = 0;

  constructor(onEnd: () => void) {
    this.#worker = new Worker(new URL('unpack-worker.ts', import.meta.url));
    this.#worker.unref();
    this.#worker.on('message', (result: UnpackResult) => this.#take(result));
    let reason: unknown = new Error('a thread that unpacks chunks has ended');
    this.#worker.on('error', (error) => (reason = error));
    this.#worker.on('exit', () => {
      onEnd();
      for (const { reject } of this.#waiting.values()) reject(reason);
      this.#waiting.clear();
    });
  }

  get jobs(): number {
    return this.#waiting.size;
  }

  unpack(want: FrameWant, packed: Uint8Array): Promise<Buffer | string> {
    const number = this.#next++;
    const outcome = Promise.withResolvers<Buffer | string>();
    this.#waiting.set(number, outcome);
    this.#worker.ref();
    // The caller may need its bytes, which can be a part of much more memory: a copy goes.
    const copy = new Uint8Array(packed);
    const job: UnpackJob = { ...want, number, packed: copy };
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    this.#worker.postMessage(job, [copy.buffer]);
    return outcome.promise;
  }

  #take(result: UnpackResult): void {
    const outcome = this.#waiting.get(result.number);
    this.#waiting.delete(result.number);
    if (this.#waiting.size === 0) this.#worker.unref();
    if ('problem' in result) outcome?.resolve(result.problem);
    else {
      const { buffer, byteOffset, length } = result.plaintext;
      outcome?.resolve(Buffer.from(buffer, byteOffset, length));
    }
  }
}
