import { parentPort } from 'node:worker_threads';
import { isGridError } from '@commongrid/base';
import { CodingWork } from './coding-work.ts';
import type { CodingReply } from './coding-work.ts';
import type { ThreadAnswer, ThreadRequest } from './thread-lane.ts';

const work = new CodingWork();

parentPort?.on('message', ({ id, request }: ThreadRequest) => {
  try {
    const reply = work.run(request);
    answer({ id, reply }, reply);
  } catch (error) {
    // What is no answer to the request is a fault: it ends the thread, with a trace.
    if (!isGridError(error)) throw error;
    answer({ id, error: error.toJSON() }, {});
  }
});

function answer(message: ThreadAnswer, { made, read }: CodingReply): void {
  const moved = [made, read].flatMap((memory) => (memory === undefined ? [] : [memory.buffer]));
  parentPort?.postMessage(message, moved);
}
