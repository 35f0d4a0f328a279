import { parentPort } from 'node:worker_threads';
import { threadError } from './thread-link.ts';
import type { ThreadCall, ThreadReply } from './thread-link.ts';

/** The other side of a ThreadLink: answers each call with what its method returns or throws. */
export function serveThread(
  methods: Readonly<Record<string, (...args: never[]) => unknown>>,
): void {
  parentPort?.on('message', ({ id, method, args }: ThreadCall) => {
    // The rule is about windows; threads have no origin.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    parentPort?.postMessage(answer(methods, id, method, args));
  });
}

function answer(
  methods: Readonly<Record<string, (...args: never[]) => unknown>>,
  id: number,
  method: string,
  args: readonly unknown[],
): ThreadReply {
  try {
    return { id, value: methods[method]?.(...(args as never[])) };
  } catch (error) {
    return { id, error: threadError(error) };
  }
}
