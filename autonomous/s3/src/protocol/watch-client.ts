import type { Clock, Timer } from '@commongrid/base';

/** Time in which a client must make progress with a body, or an answer; waiting for us does not count. */
export const progressMsMax = 60_000;
/** The same while others wait for memory, which clients without progress hold. */
const pressedMsMax = 4_000;
/** How often a client that is waited for is looked at. */
const lookEveryMs = 1_000;

export interface WatchOptions {
  readonly clock: Clock;
  /** Whether others wait for memory. */
  readonly isPressed: () => boolean;
  /** Time that went by before. Default 0. */
  readonly waitedMs?: number;
}

/** Calls `onLate` once a client was waited for too long, unless it is cancelled before. */
export function watchClient(
  { clock, isPressed, waitedMs = 0 }: WatchOptions,
  onLate: () => void,
): Timer {
  const startMs = clock.monotonicMs() - waitedMs;
  let timer: Timer | undefined;
  const look = (): void => {
    const leftMs = startMs + (isPressed() ? pressedMsMax : progressMsMax) - clock.monotonicMs();
    if (leftMs <= 0) onLate();
    else timer = clock.setTimer(Math.min(lookEveryMs, leftMs), look);
  };
  look();
  return { cancel: () => timer?.cancel() };
}
