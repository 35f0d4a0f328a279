import type { Health } from '@commongrid/model';

/** What probes have shown of one run of a container. Plain JSON. */
export interface HealthState {
  /** `starting`: nothing is known yet. */
  readonly standing: 'starting' | 'healthy' | 'unhealthy';
  /** Probes in a row that speak against the standing. */
  readonly against: number;
}

/** Before the first probe of a run. */
export const healthAtStart: HealthState = { standing: 'starting', against: 0 };

/**
 * The state after one more probe. The first good one makes healthy what starts. After that it takes
 * `failures` probes in a row that say otherwise, either way. Bad ones do not count in the first
 * `startSeconds` of a run.
 * @param runningMs how long the container had been running, by a clock that does not jump
 */
export function countProbe(
  { failures, startSeconds }: Health,
  state: HealthState,
  probe: { readonly isGood: boolean; readonly runningMs: number },
): HealthState {
  const { isGood, runningMs } = probe;
  if (isGood && state.standing === 'starting') return { standing: 'healthy', against: 0 };
  if (state.standing === (isGood ? 'healthy' : 'unhealthy')) return { ...state, against: 0 };
  if (!isGood && runningMs < startSeconds * 1_000) return state;
  const against = state.against + 1;
  if (against < failures) return { ...state, against };
  return { standing: isGood ? 'healthy' : 'unhealthy', against: 0 };
}
