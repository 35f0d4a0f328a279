import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import { isFeedsReply } from '../feeds/feeds-reply.ts';
import type { FeedsReply, FeedsRequest } from '../feeds/feeds-reply.ts';
import type { LightSource } from './light-source.ts';
import type { Round } from './rounds.ts';

/**
 * Asks for feeds, and waits for news as long as the round may.
 * @throws BCDB_REPLY_INVALID, and what the source throws
 */
export async function askFeeds(
  source: LightSource,
  request: FeedsRequest,
  { signal, waitMs, hurry }: Round,
): Promise<FeedsReply> {
  if (waitMs > 0 && !hurry.aborted) {
    try {
      const ended = AbortSignal.any([signal, hurry]);
      return requireReply(await source.feeds({ ...request, waitMs }, ended));
    } catch (error) {
      // Whoever is in a hurry gets what there is now.
      if (!hurry.aborted || signal.aborted) throw error;
    }
  }
  return requireReply(await source.feeds(request, signal));
}

function requireReply(reply: unknown): FeedsReply {
  if (isFeedsReply(reply)) return reply;
  throw new GridError<BcdbErrorCode>('BCDB_REPLY_INVALID', 'the source gave no feeds', {
    retryable: true,
  });
}
