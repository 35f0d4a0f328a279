import { parentPort } from 'node:worker_threads';

import { unpackFrame } from './unpack-frame.ts';
import type { FrameWant } from './unpack-frame.ts';

/** A chunk to unpack, to a worker. Its number comes back with the answer. */
export interface UnpackJob extends FrameWant {
  readonly number: number;
  readonly packed: Uint8Array;
}

export type UnpackResult = { readonly number: number } & (
  | { readonly plaintext: Uint8Array<ArrayBuffer> }
  | { readonly problem: string }
);

// The thread of `UnpackWorkers`.
parentPort?.on('message', ({ number, packed, ...want }: UnpackJob) => {
  const outcome = unpackFrame(want, packed);
  const result: UnpackResult =
    typeof outcome === 'string' ? { number, problem: outcome } : { number, plaintext: outcome };
  // A thread has no origin.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  parentPort?.postMessage(result, typeof outcome === 'string' ? [] : [outcome.buffer]);
});
