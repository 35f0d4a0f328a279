import type { FeedsRequest } from '../feeds/feeds-reply.ts';

/** Where a light follower gets feeds from. Nothing that it says is trusted. */
export interface LightSource {
  /**
   * Parsed JSON of a `FeedsReply`: what a database answers to the request. One that may wait for news
   * can be answered at once all the same.
   */
  feeds(request: FeedsRequest, signal: AbortSignal): Promise<unknown>;

  /** Who sequenced the log: parsed JSON of a `Succession`. */
  succession(signal: AbortSignal): Promise<unknown>;
}
