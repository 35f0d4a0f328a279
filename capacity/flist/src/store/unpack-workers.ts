import { availableParallelism } from 'node:os';

import { JobThread } from './job-thread.ts';
import type { FrameWant } from './unpack-frame.ts';
import type { UnpackJob, UnpackResult } from './unpack-worker.ts';

/** Threads that unpack and verify chunks; fewer where there are fewer processors. */
const threadsMax = 2;

type UnpackThread = JobThread<UnpackJob, UnpackResult>;

/**
 * Threads that unpack and verify what is too much for the main thread: the thread pool of Node would
 * need four trips and twice the memory for each chunk.
 */
export class UnpackWorkers {
  readonly #threads: UnpackThread[] = [];

  /** @returns the plaintext, or what is wrong with the chunk */
  async unpack(want: FrameWant, packed: Uint8Array): Promise<Buffer | string> {
    // The caller may need its bytes, which can be a part of much more memory: a copy goes.
    const copy = new Uint8Array(packed);
    const result = await this.#leastBusy().run({ ...want, packed: copy }, [copy.buffer]);
    if ('problem' in result) return result.problem;
    const { buffer, byteOffset, length } = result.plaintext;
    return Buffer.from(buffer, byteOffset, length);
  }

  #leastBusy(): UnpackThread {
    let idlest = this.#threads[0];
    for (const thread of this.#threads) {
      if (idlest === undefined || thread.jobs < idlest.jobs) idlest = thread;
    }
    const isFull = this.#threads.length >= Math.min(threadsMax, availableThreads);
    if (idlest !== undefined && (idlest.jobs === 0 || isFull)) return idlest;
    const thread: UnpackThread = new JobThread(program, () => {
      this.#threads.splice(this.#threads.indexOf(thread), 1);
    });
    this.#threads.push(thread);
    return thread;
  }
}

const program = new URL('unpack-worker.ts', import.meta.url);

/** Asked once: the answer is read from files of the system. */
const availableThreads = availableParallelism();
