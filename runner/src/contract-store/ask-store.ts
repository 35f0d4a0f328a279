import { askControl, isGridError } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { CareStatus } from '@commongrid/zstor';

import type { StoreHeads } from './store-heads.ts';

export interface StoreQuestion {
  /** Folder of a head beside the bot. */
  readonly data: string;
  /** Heads elsewhere. */
  readonly heads: StoreHeads | undefined;
  /** `survey`: as its records are now. */
  readonly action: 'status' | 'survey';
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/** Time for an answer; a store with many records looks through them for a while, ms. */
const answerMs = 120_000;
/** Time for a head elsewhere to say how it is: its machine may be gone, ms. */
const remoteStatusMs = 10_000;

/** How a store is, by whichever of its heads serves; undefined where none answers. */
export async function askStore(question: StoreQuestion): Promise<CareStatus | undefined> {
  const { data, heads, action } = question;
  const { controlPathOf } = await import('@commongrid/zstor');
  const beside = await tried(question, answerMs, (signal) =>
    askControl(controlPathOf(data), action, {}, { signal }),
  );
  if (beside !== undefined || heads?.key === undefined) return beside;
  const { region, key } = heads;
  const { askStoreStatus } = await import('@commongrid/s3');
  const limitMs = action === 'status' ? remoteStatusMs : answerMs;
  const answers = heads.addresses.map(async (address) => {
    const status = await tried(question, limitMs, (signal) =>
      askStoreStatus({ address, region, key, action, signal }),
    );
    return status ?? Promise.reject(new Error(`${address} does not serve`));
  });
  return Promise.any(answers).catch((error: unknown) => {
    if (error instanceof AggregateError && !question.signal.aborted) return undefined;
    throw error;
  });
}

async function tried(
  { signal, logger }: StoreQuestion,
  limitMs: number,
  ask: (limited: AbortSignal) => Promise<unknown>,
): Promise<CareStatus | undefined> {
  try {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    const status = (await ask(limited)) as CareStatus;
    return status.isServing ? status : undefined;
  } catch (error) {
    if (signal.aborted || !isExpected(error)) throw error;
    logger.debug({ err: error }, 'no head of the store of a contract answers');
    return undefined;
  }
}

/** Also a head that stops answering. */
function isExpected(error: unknown): boolean {
  return isGridError(error) || (error instanceof DOMException && error.name === 'TimeoutError');
}
