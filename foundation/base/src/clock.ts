import { abortError, throwIfAborted } from './errors.ts';

export interface Timer {
  /** Idempotent; after it the callback does not run. */
  cancel(): void;
}

/** Time as an argument, so that a simulation can replay. */
export interface Clock {
  /** Wall clock, ms since 1970. Can jump: for people and for records, never for intervals. */
  nowMs(): number;
  /** Never goes back; its zero means nothing. For intervals and deadlines. */
  monotonicMs(): number;
  /** Calls `fn` once after `ms`. The timer keeps the process alive until it ran or is cancelled. */
  setTimer(ms: number, fn: () => void): Timer;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: startSystemTimer,
};

export interface DelayOptions {
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * Resolves after `ms`.
 * @throws BASE_ABORTED as soon as the signal fires.
 */
export function delay(ms: number, options: DelayOptions = {}): Promise<void> {
  const { signal, clock = systemClock } = options;
  return new Promise((resolve, reject) => {
    throwIfAborted(signal);
    const onAbort = (): void => {
      timer.cancel();
      if (signal !== undefined) reject(abortError(signal));
    };
    const timer = clock.setTimer(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Node fires a longer timer at once (int32 overflow), so a long wait is cut into pieces. */
const maxTimerMs = 2 ** 31 - 1;

function startSystemTimer(ms: number, fn: () => void): Timer {
  let leftMs = ms;
  let handle: NodeJS.Timeout;
  const arm = (): void => {
    const pieceMs = Math.min(leftMs, maxTimerMs);
    leftMs -= pieceMs;
    handle = setTimeout(leftMs > 0 ? arm : fn, pieceMs);
  };
  arm();
  return { cancel: () => clearTimeout(handle) };
}
