import { delay, systemClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { abortError, GridError, throwIfAborted } from './errors.ts';
import type { BaseErrorCode } from './errors.ts';

export interface TimeoutOptions {
  readonly timeoutMs: number;
  /** What is waited for, for the message: `the node's first heartbeat`. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock;
}

/**
 * Runs `fn` for `timeoutMs` at most. When time is up, or the caller's signal fires, the signal
 * given to `fn` fires and the result is rejected at once; what `fn` does later is ignored.
 * @throws BASE_TIMEOUT (retryable), BASE_ABORTED
 */
export async function withTimeout<T>(
  fn: (signal: AbortSignal) => Promise<T>,
  options: TimeoutOptions,
): Promise<T> {
  const { timeoutMs, what, signal, clock = systemClock } = options;
  throwIfAborted(signal);
  const controller = new AbortController();
  const stopped = Promise.withResolvers<never>();
  const stop = (error: GridError<BaseErrorCode>): void => {
    stopped.reject(error);
    controller.abort(error);
  };
  const onAbort = (): void => {
    if (signal !== undefined) stop(abortError(signal));
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = clock.setTimer(timeoutMs, () => stop(timeoutError(what, timeoutMs)));
  try {
    return await Promise.race([fn(controller.signal), stopped.promise]);
  } finally {
    timer.cancel();
    signal?.removeEventListener('abort', onAbort);
  }
}

export interface WaitForOptions extends TimeoutOptions {
  /** Pause between two looks. Default 10. */
  readonly everyMs?: number;
}

type Falsy = false | 0 | '' | null | undefined;

/**
 * Looks until `condition` gives a truthy value, and resolves with it. At least one look is taken.
 * @throws what `condition` throws, BASE_TIMEOUT (retryable), BASE_ABORTED
 */
export async function waitFor<T>(
  condition: (signal: AbortSignal) => Promise<T | Falsy> | T | Falsy,
  options: WaitForOptions,
): Promise<T> {
  const { everyMs = 10, clock = systemClock } = options;
  return withTimeout(async (signal) => {
    for (;;) {
      const value = await condition(signal);
      if (value) return value;
      await delay(everyMs, { signal, clock });
    }
  }, options);
}

function timeoutError(what: string, timeoutMs: number): GridError<BaseErrorCode> {
  return new GridError('BASE_TIMEOUT', `waited ${timeoutMs} ms for ${what}`, {
    retryable: true,
    details: { what, timeoutMs },
  });
}
