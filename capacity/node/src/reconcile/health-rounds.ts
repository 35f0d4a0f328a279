import type { Clock } from '@commongrid/base';
import type { Assignment } from '../assignment.ts';
import { countProbe, healthAtStart } from '../health/health-count.ts';
import { isProbed, phaseAtStart, steadyMs } from '../health/unprobed.ts';
import type { WorkloadJournal } from './workload-journal.ts';

export interface HealthRoundsOptions {
  readonly journal: WorkloadJournal;
  /** Asks once whether it works. @throws why not */
  readonly probe: (assignment: Assignment, timeoutMs: number, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
}

/**
 * Asks one workload whether it works, as often as its role says, and tells what comes of it. Of one that
 * nobody probes it tells that it is healthy once it has run for `steadyMs`.
 */
export class HealthRounds {
  readonly #options: HealthRoundsOptions;
  #health = healthAtStart;
  #nextProbeMs = 0;
  /** When the run was begun, by the monotonic clock; undefined for one that was found. */
  #begunMs: number | undefined;
  /** When what nobody probes counts as healthy, by the monotonic clock; undefined before it is looked at. */
  #steadyAtMs: number | undefined;

  constructor(options: HealthRoundsOptions) {
    this.#options = options;
  }

  /** This process has begun another run. */
  begin(): void {
    this.find();
    this.#begunMs = this.#options.clock.monotonicMs();
  }

  /** Another run goes on that was begun before. */
  find(): void {
    this.#begunMs = undefined;
    this.#health = healthAtStart;
    this.#nextProbeMs = 0;
    this.#steadyAtMs = undefined;
  }

  /**
   * Probes when it is time; gives how long it is until the next look, ms; undefined for never.
   * @param sinceMs when the run began by the wall clock, which may jump: it counts for those found
   * @throws what the probe throws once the signal has fired
   */
  async look(
    assignment: Assignment,
    sinceMs: number,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { journal, clock } = this.#options;
    const { health } = assignment.role;
    if (health === undefined || !isProbed(assignment.role)) return this.#await(assignment, sinceMs);
    const nowMs = clock.monotonicMs();
    if (nowMs < this.#nextProbeMs) return this.#nextProbeMs - nowMs;
    this.#nextProbeMs = nowMs + health.everySeconds * 1000;
    const problem = await this.#problem(assignment, health.timeoutSeconds * 1000, signal);
    const isGood = problem === undefined;
    const runningMs = this.#ranMs(sinceMs);
    this.#health = countProbe(health, this.#health, { isGood, runningMs });
    const { standing } = this.#health;
    if (standing === 'healthy') journal.tell('healthy');
    if (standing === 'unhealthy') journal.tell('unhealthy', problem);
    return Math.max(1, this.#nextProbeMs - clock.monotonicMs());
  }

  /** @returns how long it is until that which runs counts as healthy, ms; undefined once it does */
  #await({ role }: Assignment, sinceMs: number): number | undefined {
    const { journal, clock } = this.#options;
    if (journal.standing.phase === 'healthy') return undefined;
    const nowMs = clock.monotonicMs();
    if (this.#steadyAtMs === undefined) {
      const neededMs = phaseAtStart(role) === 'healthy' ? 0 : steadyMs;
      this.#steadyAtMs = nowMs + Math.max(0, neededMs - this.#ranMs(sinceMs));
    }
    if (nowMs < this.#steadyAtMs) return this.#steadyAtMs - nowMs;
    journal.tell('healthy');
    return undefined;
  }

  #ranMs(sinceMs: number): number {
    const { clock } = this.#options;
    if (this.#begunMs !== undefined) return clock.monotonicMs() - this.#begunMs;
    return Math.max(0, clock.nowMs() - sinceMs);
  }

  async #problem(assignment: Assignment, timeoutMs: number, signal: AbortSignal): Promise<unknown> {
    try {
      await this.#options.probe(assignment, timeoutMs, signal);
      return undefined;
    } catch (error) {
      // One that was broken off says nothing about the workload.
      if (signal.aborted) throw error;
      return error;
    }
  }
}
