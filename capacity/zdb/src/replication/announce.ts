import { type Clock, delay, type Logger, withTimeout } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';
import type { ReplicationSource } from './follower.ts';

const PAUSE_MS_MIN = 500;
/** Pauses between attempts double up to this. */
const PAUSE_MS_MAX = 30_000;
const ANSWER_MS = 5_000;

export interface AnnounceOptions {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Tells a former master of a later mastership until it has heard, so that it takes no more writes.
 * Resolves then, or when the signal fires.
 */
export async function announceTerm(
  former: ReplicationSource,
  term: number,
  options: AnnounceOptions,
): Promise<void> {
  const { signal, clock, logger } = options;
  for (let pauseMs = PAUSE_MS_MIN; !signal.aborted; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
    try {
      await tellTerm(former, term, ANSWER_MS, signal);
      return;
    } catch (error) {
      logger.debug({ err: error, term }, 'the former master has not heard of its end yet');
    }
    // Fails only when the signal fires, which ends the loop.
    await delay(pauseMs, { signal, clock }).catch(() => undefined);
  }
}

/** Resolves with the last sequence that the former master has written, now that it writes no more. */
export async function tellTerm(
  former: ReplicationSource,
  term: number,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<number> {
  const what = 'the former master';
  return withTimeout((until) => tell(former, term, timeoutMs, until), { timeoutMs, what, signal });
}

async function tell(
  { host, port, password, tls }: ReplicationSource,
  term: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<number> {
  await using client = await RespClient.connect({
    host,
    port,
    connectTimeoutMs: timeoutMs,
    closeTimeoutMs: 1,
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  });
  return Number(await client.command(['REPLCONF', 'TERM', term], { signal }));
}
