import { GridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { DriverContext, Progress } from '../driver.ts';
import type { NodeErrorCode } from '../errors.ts';

export interface StepLimit {
  /** What the step is, for messages. */
  readonly what: string;
  /** Longest time without progress, ms. */
  readonly stallMs: number;
  /** Fires when the step is not wanted any more. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** Called once when the step does not even end after it was told to. */
  readonly onStuck: () => void;
  readonly clock?: Clock;
}

/** How long a step that was told to end may take before it counts as stuck, ms. */
const stuckAfterMs = 10_000;

/**
 * Takes a step, and tells it to end when it makes no progress for too long, or is not wanted any
 * more. Resolves only once the step itself has ended, however late: two steps about one workload
 * must never run beside each other.
 * @throws NODE_STEP_STALLED, BASE_ABORTED, and what the step throws
 */
export async function withStepLimit<T>(
  step: (context: DriverContext) => Promise<T>,
  limit: StepLimit,
): Promise<T> {
  const { what, stallMs, signal, onProgress, onStuck, clock = systemClock } = limit;
  const stalled = new AbortController();
  let timer = clock.setTimer(stallMs, stall);
  let stuck: ReturnType<Clock['setTimer']> | undefined;
  function stall(): void {
    stalled.abort();
    stuck = clock.setTimer(stuckAfterMs, onStuck);
  }
  const onAbort = (): void => {
    stuck ??= clock.setTimer(stuckAfterMs, onStuck);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await step({
      signal: AbortSignal.any([signal, stalled.signal]),
      progress: (progress) => {
        timer.cancel();
        if (!stalled.signal.aborted) timer = clock.setTimer(stallMs, stall);
        onProgress(progress);
      },
    });
  } catch (error) {
    if (!stalled.signal.aborted || signal.aborted) throw error;
    throw new GridError<NodeErrorCode>(
      'NODE_STEP_STALLED',
      `${what} made no progress for ${stallMs / 1000} s`,
      { hint: 'it is tried again', retryable: true, details: { what, stallMs }, cause: error },
    );
  } finally {
    timer.cancel();
    stuck?.cancel();
    signal.removeEventListener('abort', onAbort);
  }
}
