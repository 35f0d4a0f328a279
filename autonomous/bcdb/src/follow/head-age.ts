import type { Clock } from '@commongrid/base';

/** When a head was signed, and when somebody asked for it. */
export interface HeadTimes {
  /** By the sequencer's wall clock, s since 1970; undefined for a head without a time. */
  readonly timestamp: number | undefined;
  /** By the reader's monotonic clock, ms; undefined where that was in an earlier run. */
  readonly askedMs: number | undefined;
}

/**
 * Age of a head, s, by whichever clock makes it older; Infinity where that is not known. Wall clocks of
 * two machines differ: behind the sequencer's by ten seconds, one would have a head become younger for
 * as long. A head is signed after it was asked for, so that the monotonic clock never takes it as
 * younger than it is. The wall clock shows what a source kept back.
 */
export function headAgeSeconds(clock: Clock, { timestamp, askedMs }: HeadTimes): number {
  if (timestamp === undefined || askedMs === undefined) return Number.POSITIVE_INFINITY;
  // A head from the future says as little as an old one.
  const bySequencer = Math.abs(clock.nowMs() / 1000 - timestamp);
  return Math.max(bySequencer, (clock.monotonicMs() - askedMs) / 1000);
}
