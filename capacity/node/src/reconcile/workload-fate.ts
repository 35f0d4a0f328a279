import { systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { ContractRole, EventPhase } from '@commongrid/model';
import type { Loss, Observation } from '../driver.ts';
import type { NodeErrorCode } from '../errors.ts';
import { isRestartDue, nextRestart } from '../health/restart-policy.ts';
import type { WorkloadJournal } from './workload-journal.ts';

/** In these phases a workload runs. */
export const runningPhases: ReadonlySet<EventPhase> = new Set(['running', 'healthy', 'unhealthy']);

/** What happens by itself to what runs: its end, its losses, and when it is started after them. */
export class WorkloadFate {
  readonly #journal: WorkloadJournal;
  readonly #clock: Clock;
  #isLossTold = false;

  constructor(journal: WorkloadJournal, clock: Clock = systemClock) {
    this.#journal = journal;
    this.#clock = clock;
  }

  /** Another run begins. */
  begin(): void {
    this.#isLossTold = false;
  }

  /** Says what happened to what runs, or ran, as it was wished. */
  note(seen: Observation, role: ContractRole): void {
    if (seen.state === 'ended') this.#noteEnd(seen, role);
    if (seen.state === 'running' && seen.lost !== undefined) this.#noteLoss(seen.lost, role);
  }

  /** When it may be started, ms since 1970; undefined when it is not started again. */
  startAtMs(seen: Observation, role: ContractRole): number | undefined {
    if (seen.state !== 'ended') return 0;
    const { restart } = this.#journal.standing;
    if (restart.nextMs === never) return undefined;
    return isRestartDue(role.restart, restart, this.#clock.nowMs()) ? 0 : restart.nextMs;
  }

  /** Something that ran has ended by itself: says how, once, and when it is started again. */
  #noteEnd(seen: Observation & { readonly state: 'ended' }, role: ContractRole): void {
    const { phase, phaseAtMs, restart } = this.#journal.standing;
    if (!startedPhases.has(phase)) return;
    const { exitCode, isOutOfMemory, atMs: endedMs } = seen;
    const run = { startedMs: Math.min(phaseAtMs, endedMs), endedMs, exitCode, isOutOfMemory };
    const again = nextRestart(role.restart, restart, run);
    this.#journal.setRestart(again ?? { ...restart, nextMs: never });
    const how = isOutOfMemory
      ? { code: 'NODE_OUT_OF_MEMORY', message: 'it used more memory than it has' }
      : { code: 'NODE_ENDED', message: `it ended with ${exitCode}` };
    if (again === undefined && exitCode === 0) return this.#journal.note('stopped', how);
    const hint = again === undefined ? 'its role does not start it again' : undefined;
    this.#journal.note('failed', { ...how, hint, isRetryable: again !== undefined });
  }

  /** What lost something is made anew, unless its role never starts it again: then it goes on. */
  #noteLoss(loss: Loss, role: ContractRole): void {
    const why = losses[loss];
    if (role.restart.policy !== 'never') {
      this.#journal.setMade(undefined);
      const hint = 'it is started anew';
      return this.#journal.note('failed', { ...why, hint, isRetryable: true });
    }
    if (this.#isLossTold) return;
    this.#isLossTold = true;
    const hint = 'it goes on, for its role never starts it again';
    this.#journal.note(this.#journal.standing.phase, { ...why, hint });
  }
}

const startedPhases: ReadonlySet<EventPhase> = new Set([...runningPhases, 'starting', 'stopping']);

const losses: Readonly<Record<Loss, { readonly code: NodeErrorCode; readonly message: string }>> = {
  supervisor: { code: 'NODE_SUPERVISOR_LOST', message: 'its conmon was ended by something' },
  image: { code: 'NODE_IMAGE_LOST', message: 'its image cannot be read any more' },
};

const never = Number.MAX_SAFE_INTEGER;
