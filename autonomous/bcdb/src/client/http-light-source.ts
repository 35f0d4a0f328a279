import type { FeedsRequest } from '../feeds/feeds-reply.ts';
import type { LightSource } from '../follow/light-source.ts';
import type { HttpLink } from './http-link.ts';
import { sourceLink, successionPath } from './source-link.ts';
import type { SourceOptions } from './source-link.ts';

/** Feeds from a server, for a `LightFollower`: asked with a key of the reader. */
export class HttpLightSource implements LightSource {
  readonly #link: HttpLink;

  constructor(options: SourceOptions) {
    this.#link = sourceLink(options);
  }

  /** @throws BCDB_DENIED, BCDB_BUSY, BCDB_UNREACHABLE */
  feeds(request: FeedsRequest, signal: AbortSignal): Promise<unknown> {
    const { waitMs = 0 } = request;
    const isHeld = waitMs > 0;
    return this.#link.json('/v1/feeds', {
      method: 'POST',
      body: request,
      headers: { 'accept-encoding': 'zstd' },
      signal,
      // Whoever waits for news is not to be left in the dark for several tries.
      isIdempotent: !isHeld,
      ...(isHeld ? { answerMs: waitMs + heldAnswerMs } : {}),
    });
  }

  succession(signal: AbortSignal): Promise<unknown> {
    return this.#link.json(successionPath, { signal, isPublic: true });
  }
}

/** How late the answer to a question that waits may begin, ms: who hears nothing then asks anew. */
const heldAnswerMs = 10_000;
