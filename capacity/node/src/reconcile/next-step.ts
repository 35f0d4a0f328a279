import type { Observation } from '../driver.ts';
import type { Wish } from './wish.ts';

/** One step towards what is wished; `wait` until that moment, ms since 1970. */
export type Step =
  | { readonly take: 'prepare' | 'start' | 'stop' | 'release' | 'destroy' | 'none' }
  | { readonly take: 'wait'; readonly untilMs: number };

export interface StepInput {
  readonly wish: Wish['is'];
  readonly seen: Observation;
  /** Whether what is in place was made from the assignment that is wished for. */
  readonly isMade: boolean;
  /** Whether what runs is to end, and to begin again. */
  readonly isRestarting: boolean;
  /** Whether all that it depends on works. */
  readonly isReady: boolean;
  /** Whether nobody on this node uses it. */
  readonly isFree: boolean;
  /** When it may be started, ms since 1970; undefined when it is not started again. */
  readonly startAtMs: number | undefined;
  readonly nowMs: number;
}

/**
 * The next step of a workload, from what is wished and what is there alone. Whatever was interrupted
 * shows in what is there, so nothing has to be remembered.
 */
export function nextStep(input: StepInput): Step {
  const { wish, seen, isFree } = input;
  if (wish !== 'running' && !isFree) return { take: 'none' };
  if (wish === 'running') return towardsRunning(input);
  if (seen.state === 'running') return { take: 'stop' };
  if (wish === 'deleted') return { take: 'destroy' };
  return { take: wish === 'paused' || seen.state === 'absent' ? 'none' : 'release' };
}

function towardsRunning(input: StepInput): Step {
  const { seen, isMade, isRestarting, isReady, startAtMs, nowMs } = input;
  if (seen.state === 'absent') return { take: isReady ? 'prepare' : 'none' };
  if (!isMade) return { take: seen.state === 'running' ? 'stop' : 'release' };
  if (seen.state === 'running' && isRestarting) return { take: 'stop' };
  if (seen.state === 'running' || startAtMs === undefined || !isReady) return { take: 'none' };
  return startAtMs <= nowMs ? { take: 'start' } : { take: 'wait', untilMs: startAtMs };
}
