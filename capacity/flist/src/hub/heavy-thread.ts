import { parentPort, workerData } from 'node:worker_threads';

import { GridError } from '@commongrid/base';

import { flistFactsOf } from './flist-facts.ts';
import type { FlistFacts } from './flist-facts.ts';

/** An error of ours, as it crosses threads. */
export type HeavyFailure = Pick<GridError, 'code' | 'message' | 'hint' | 'retryable' | 'details'>;

export type HeavyResult = { readonly facts: FlistFacts } | { readonly failure: HeavyFailure };

/** The thread of `factsInThread`: it does one thing. */
function work(images: readonly Uint8Array[]): HeavyResult {
  try {
    return { facts: flistFactsOf(images) };
  } catch (error) {
    if (!(error instanceof GridError)) throw error;
    const { code, message, hint, retryable, details } = error;
    return { failure: { code, message, hint, retryable, details } };
  }
}

if (parentPort !== null) {
  const result = work(workerData as readonly Uint8Array[]);
  const kept = 'facts' in result ? [result.facts.bytes, result.facts.chunkHashes] : [];
  const buffers = kept.map(({ buffer }) => buffer).filter((one) => one instanceof ArrayBuffer);
  // A thread has no origin.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  parentPort.postMessage(result, buffers);
}
