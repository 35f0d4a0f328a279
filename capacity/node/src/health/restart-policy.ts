import type { ContractRole } from '@commongrid/model';

/** How often a container was started again for ending by itself. Plain JSON. */
export interface RestartState {
  /** Starts since it last ran for long. */
  readonly restarts: number;
  /** Earliest next start, milliseconds since 1970. */
  readonly nextMs: number;
}

export const neverRestarted: RestartState = { restarts: 0, nextMs: 0 };

/** One run of a container, milliseconds since 1970. */
export interface EndedRun {
  readonly startedMs: number;
  readonly endedMs: number;
  readonly exitCode: number;
  readonly isOutOfMemory: boolean;
}

type Restart = ContractRole['restart'];

/** A run of this length makes the next pause the first again. */
const longRunMs = 600_000;

/**
 * When a container that ended is to start again; undefined when it is not. The pause doubles from
 * `delayMs` to `delayMaxMs`, without chance in it, and goes on at that for ever: a container is never
 * given up, or deleted, for crashing.
 */
export function nextRestart(
  { policy, delayMs, delayMaxMs }: Restart,
  state: RestartState,
  run: EndedRun,
): RestartState | undefined {
  const isFailure = run.exitCode !== 0 || run.isOutOfMemory;
  if (policy === 'never' || (policy === 'on-failure' && !isFailure)) return undefined;
  const ranLong = run.endedMs - run.startedMs >= longRunMs;
  const restarts = ranLong ? 0 : state.restarts;
  const pauseMs = Math.min(delayMs * 2 ** restarts, Math.max(delayMs, delayMaxMs));
  return { restarts: restarts + 1, nextMs: run.endedMs + pauseMs };
}

/** Whether the time has come; also when the clock was set back, for no pause is longer than this. */
export function isRestartDue(
  { delayMs, delayMaxMs }: Restart,
  { nextMs }: RestartState,
  nowMs: number,
): boolean {
  return nowMs >= nextMs || nowMs < nextMs - Math.max(delayMs, delayMaxMs);
}
