import type { Clock, Timer } from '@commongrid/base';

/** Time in which a client must make progress with a body, or an answer; waiting for us does not count. */
export const progressMsMax = 60_000;
/** The same while others wait for memory, which clients without progress hold. */
const pressedMsMax = 4_000;
/** What a client must take of an answer in this time. */
const takenBytesMin = 256 << 10;
/** How often a client that is waited for is looked at. */
const lookEveryMs = 1_000;

export interface WatchOptions {
  readonly clock: Clock;
  /** Whether others wait for memory. */
  readonly isPressed: () => boolean;
  /** Time that went by before. Default 0. */
  readonly waitedMs?: number;
  /** What the client has not taken yet of an answer: its time begins anew when it took some. */
  readonly unsentBytes?: () => number;
}

/** Calls `onLate` once a client was waited for too long, unless it is cancelled before. */
export function watchClient(
  { clock, isPressed, waitedMs = 0, unsentBytes = () => 0 }: WatchOptions,
  onLate: () => void,
): Timer {
  let startMs = clock.monotonicMs() - waitedMs;
  let unsentBefore = unsentBytes();
  let timer: Timer | undefined;
  const look = (): void => {
    const unsent = unsentBytes();
    const takenBytes = unsentBefore - unsent;
    if (takenBytes >= takenBytesMin) startMs = clock.monotonicMs();
    // More than before: what waited in Node is counted from now on.
    if (takenBytes >= takenBytesMin || takenBytes < 0) unsentBefore = unsent;
    const leftMs = startMs + (isPressed() ? pressedMsMax : progressMsMax) - clock.monotonicMs();
    if (leftMs <= 0) onLate();
    else timer = clock.setTimer(Math.min(lookEveryMs, leftMs), look);
  };
  look();
  return { cancel: () => timer?.cancel() };
}
