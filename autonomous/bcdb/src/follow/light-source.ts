import type { FeedsRequest } from '../feeds/feeds-reply.ts';

/** Where a light follower gets feeds from. Nothing that it says is trusted. */
export interface LightSource {
  /** Parsed JSON of a `FeedsReply`: what a database answers to the request. */
  feeds(request: FeedsRequest, signal: AbortSignal): Promise<unknown>;
}
