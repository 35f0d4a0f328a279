import { delay, systemClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { GridError, isGridError, throwIfAborted } from './errors.ts';
import type { BaseErrorCode } from './errors.ts';
import { systemRandom } from './random.ts';
import type { Random } from './random.ts';

export interface RetryOptions {
  /** Calls in all, the first included. Default 5. */
  readonly attempts?: number;
  /** Pause before the second call. Default 100. */
  readonly baseMs?: number;
  /** Longest pause. Default 10 000. */
  readonly maxMs?: number;
  /** Each pause is this many times the one before. Default 2. */
  readonly factor?: number;
  /** Part of each pause that is random, 0 to 1. Default 0.5: callers do not return in step. */
  readonly jitter?: number;
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Default: the error is a GridError that says it is retryable. */
  readonly shouldRetry?: (error: unknown, attempt: number) => boolean;
}

/**
 * Calls `fn` until it succeeds. `attempt` starts at 1.
 * @throws the last error of `fn`, or BASE_ABORTED when the signal fires during a pause.
 */
export async function retry<T>(
  fn: (attempt: number) => Promise<T>,
  options: RetryOptions = {},
): Promise<T> {
  const { attempts = 5, signal, clock = systemClock, shouldRetry = isRetryable } = options;
  if (!(attempts >= 1)) throw invalid('attempts', attempts);
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal);
    try {
      return await fn(attempt);
    } catch (error) {
      if (attempt >= attempts || !shouldRetry(error, attempt)) throw error;
      await delay(pauseMs(attempt, options), { signal, clock });
    }
  }
}

export interface RepeatOptions {
  /** Ends the loop. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** Receives what `task` throws; the loop goes on. Without it the loop ends with that error. */
  readonly onError?: (error: unknown) => void;
}

/**
 * Runs `task` now and then every `everyMs`, start to start. Runs never overlap: one that takes
 * longer delays the next, and missed ones are not made up for. Resolves when the signal has fired
 * and the run under way is over.
 */
export async function repeat(
  everyMs: number,
  task: (signal: AbortSignal) => Promise<void> | void,
  options: RepeatOptions,
): Promise<void> {
  const { signal, clock = systemClock, onError } = options;
  if (!(everyMs > 0)) throw invalid('everyMs', everyMs);
  while (!signal.aborted) {
    const startedMs = clock.monotonicMs();
    try {
      await task(signal);
    } catch (error) {
      if (signal.aborted && isGridError(error, 'BASE_ABORTED')) return;
      if (onError === undefined) throw error;
      onError(error);
    }
    const restMs = Math.max(0, startedMs + everyMs - clock.monotonicMs());
    await delayUnlessAborted(restMs, signal, clock);
  }
}

async function delayUnlessAborted(ms: number, signal: AbortSignal, clock: Clock): Promise<void> {
  try {
    await delay(ms, { signal, clock });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function pauseMs(attempt: number, options: RetryOptions): number {
  const { baseMs = 100, maxMs = 10_000, factor = 2, jitter = 0.5, random = systemRandom } = options;
  const fullMs = Math.min(maxMs, baseMs * factor ** (attempt - 1));
  return fullMs * (1 - jitter * random.float());
}

function isRetryable(error: unknown): boolean {
  return isGridError(error) && error.retryable;
}

function invalid(option: string, value: number): GridError<BaseErrorCode> {
  return new GridError('BASE_OPTION_INVALID', `${option} cannot be ${value}`, {
    details: { option, value },
  });
}
