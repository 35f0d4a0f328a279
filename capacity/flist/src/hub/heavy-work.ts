import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { errorCode, GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { flistFactsOf } from './flist-facts.ts';
import type { FlistFacts } from './flist-facts.ts';
import type { HeavyResult } from './heavy-thread.ts';

/** Canonical bytes that are looked through at once: 2,500 files, 20 ms; a thread begins in 50. */
const inlineBytesMax = 128 * 1024;

/** Memory of a thread that works on images, MiB: the most inodes take half of it. */
const threadMemoryMiB = 2_048;

/**
 * `flistFactsOf` without holding up others: in a thread of its own for what is large, whose memory
 * goes with it. Whoever calls bounds how many there are at a time.
 * @param images canonical bytes, which are gone afterwards
 * @throws as `flistFactsOf`
 */
export async function flistFacts(images: readonly Uint8Array[]): Promise<FlistFacts> {
  const sizeBytes = images.reduce((sum, { length }) => sum + length, 0);
  return sizeBytes <= inlineBytesMax ? flistFactsOf(images) : factsInThread(images);
}

async function factsInThread(images: readonly Uint8Array[]): Promise<FlistFacts> {
  const worker = new Worker(new URL('heavy-thread.ts', import.meta.url), {
    workerData: images,
    transferList: images.map(({ buffer }) => buffer).filter((one) => one instanceof ArrayBuffer),
    resourceLimits: { maxOldGenerationSizeMb: threadMemoryMiB },
  });
  try {
    const [result] = (await once(worker, 'message')) as [HeavyResult];
    if ('facts' in result) return result.facts;
    const { code, message, ...more } = result.failure;
    throw new GridError(code, message, more);
  } catch (error) {
    if (errorCode(error) !== 'ERR_WORKER_OUT_OF_MEMORY') throw error;
    throw new GridError<FlistErrorCode>(
      'FLIST_TOO_LARGE',
      `the image takes more than ${threadMemoryMiB} MiB of memory`,
      { cause: error },
    );
  } finally {
    await worker.terminate();
  }
}
