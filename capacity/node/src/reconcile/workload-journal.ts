import { isGridError, systemClock } from '@commongrid/base';
import type { Clock, GridError } from '@commongrid/base';
import type { EventPhase } from '@commongrid/model';
import type { RestartState } from '../health/restart-policy.ts';
import type { NodeState, NumberedWorkloadEvent, WorkloadStanding } from './node-state.ts';
import type { NodeErrorCode } from '../errors.ts';
import type { KnownWorkload } from './wish.ts';
import { runningPhases } from './workload-fate.ts';

export interface WorkloadJournalOptions {
  readonly known: KnownWorkload;
  readonly state: NodeState;
  /** Something was told: whoever depends on it, or reports it, looks again. */
  readonly onEvent: (event: NumberedWorkloadEvent) => void;
  /** Why what runs has to leave the node; undefined while it may stay. */
  readonly leaving?: () => PhaseReason | undefined;
  readonly clock?: Clock;
}

/** Why a workload is in a phase. */
export interface PhaseReason {
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  readonly hint?: string | undefined;
  readonly isRetryable?: boolean | undefined;
}

/** Codes by which a node says of what it runs that it has to leave. */
const leavingCodes: ReadonlySet<string> = new Set<NodeErrorCode>(['NODE_DRAINING', 'NODE_LET_GO']);

/** Of what is said about a failure, the log takes so many characters. */
const messageMax = 1_000;

/** So many events back it is looked for why a workload is in its phase: refusals may have come since. */
const lookBackMax = 20;

/** What is kept of one workload for the next agent, and what is told of it. */
export class WorkloadJournal {
  /** Of what is wished now: each event names it. */
  revision: number;
  readonly #options: WorkloadJournalOptions;

  constructor(options: WorkloadJournalOptions) {
    this.#options = options;
    this.revision = options.known.revision;
  }

  get standing(): WorkloadStanding {
    const { state, known } = this.#options;
    const standing = state.standing(known.id);
    if (standing === undefined) throw new Error(`${known.id} was never accepted`);
    return standing;
  }

  /** Fingerprint of what is in place; undefined before it is touched. */
  setMade(made: string | undefined): void {
    const { state, known } = this.#options;
    state.setMade(known.id, made);
  }

  setRestart(restart: RestartState): void {
    const { state, known } = this.#options;
    state.setRestart(known.id, restart);
  }

  /** The workload is gone, data and all. */
  forget(): void {
    const { state, known } = this.#options;
    state.forget(known.id);
  }

  /** As `note`, with what was thrown as the reason. */
  tell(phase: EventPhase, problem?: unknown): void {
    if (problem === undefined) return this.note(phase, {});
    const known: Partial<GridError> = isGridError(problem) ? problem : {};
    const said = problem instanceof Error ? problem.message : 'something was thrown';
    const { code = 'NODE_FAULT', message = said, hint, retryable = true } = known;
    this.note(phase, { code, message, hint, isRetryable: retryable });
  }

  /** Says of what runs that it has to leave the node now, or may stay again. */
  noteLeaving(): void {
    const { phase, code } = this.standing;
    if (!runningPhases.has(phase)) return;
    const why = this.#options.leaving?.();
    if (why !== undefined) this.note(phase, why);
    else if (leavingCodes.has(code ?? '')) this.note(phase, {});
  }

  /**
   * Says for the revision of now what was said last of what runs: a revision that changes nothing about
   * it begins no phase, and whoever placed it so waits for word of it.
   */
  tellAgain(): void {
    const { known, state, onEvent, clock = systemClock } = this.#options;
    const { phase, code } = this.standing;
    if (!runningPhases.has(phase)) return;
    const said = state
      .newestEvents(lookBackMax, known.id)
      .findLast((event) => event.phase === phase && event.code === code);
    const { message, hint, isRetryable } = said ?? {};
    const { revision } = this;
    const again = { workload: known.id, revision, phase, code, message, hint, isRetryable };
    onEvent(state.noteAside({ ...again, at: clock.nowMs() }));
  }

  /** Keeps an event, unless it says what was said last. */
  note(phase: EventPhase, said: PhaseReason): void {
    const { known, state, onEvent, leaving, clock = systemClock } = this.#options;
    const { standing, revision } = this;
    const isPlain = said.code === undefined && runningPhases.has(phase);
    const reason = isPlain ? (leaving?.() ?? said) : said;
    if (standing.phase === phase && standing.code === reason.code) return;
    const told = { ...reason, message: reason.message?.slice(0, messageMax) };
    const at = clock.nowMs();
    onEvent(state.note({ workload: known.id, revision, phase, ...told, at }));
  }
}
