import { delay, repeat } from '@commongrid/base';
import type { RepeatOptions } from '@commongrid/base';

export interface NewsRounds extends RepeatOptions {
  /** Resolves with the next news, or when the signal fires. It does not fail. */
  readonly changed: (signal: AbortSignal) => Promise<void>;
  /** How long nothing is done when there is no news, ms. */
  readonly everyMs: number;
  /** Least time from one round to the next, ms: news comes in crowds. */
  readonly restMs: number;
}

/** Runs a task with each news, and by time when there is none, until the signal fires. See `repeat`. */
export function repeatByNews(
  task: (signal: AbortSignal) => Promise<void>,
  { changed, everyMs, restMs, ...options }: NewsRounds,
): Promise<void> {
  const round = async (signal: AbortSignal): Promise<void> => {
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    // From before the task on: what comes meanwhile may be too late for it.
    const news = changed(either);
    try {
      await task(signal);
    } finally {
      const pause = delay(everyMs, { signal: either, clock: options.clock }).catch(() => undefined);
      await Promise.race([news, pause]);
      over.abort();
    }
  };
  return repeat(restMs, round, options);
}
