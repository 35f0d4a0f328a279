import { JobThread } from './job-thread.ts';
import type { JoinJob, JoinPiece, JoinResult } from './join-worker.ts';

/** Chunks that are copied by one order, 16 MiB: in between another file has its turn. */
export const joinedChunksMax = 32;

/**
 * Copies chunks into a file in a thread of its own, where each is hashed once more. On the main thread
 * a chunk took four trips to Node's thread pool, and new memory twice.
 */
export class ChunkJoiner {
  #thread: JobThread<JoinJob, JoinResult> | undefined;

  /**
   * Writes the pieces one behind the other, verified.
   * @param fd of a file that is open for writing, and stays so
   * @returns false when one is not there, has other bytes or cannot be written; some may be written then
   */
  async join(fd: number, position: number, pieces: readonly JoinPiece[]): Promise<boolean> {
    this.#thread ??= new JobThread(program, () => (this.#thread = undefined));
    return (await this.#thread.run({ fd, position, pieces })).isDone;
  }
}

const program = new URL('join-worker.ts', import.meta.url);
