import type { Clock } from '@commongrid/base';
import type { Assignment } from '../assignment.ts';
import { countProbe, healthAtStart } from '../health/health-count.ts';
import type { WorkloadJournal } from './workload-journal.ts';

export interface HealthRoundsOptions {
  readonly journal: WorkloadJournal;
  /** Asks once whether it works. @throws why not */
  readonly probe: (assignment: Assignment, timeoutMs: number, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
}

/** Asks one workload whether it works, as often as its role says, and tells what comes of it. */
export class HealthRounds {
  readonly #options: HealthRoundsOptions;
  #health = healthAtStart;
  #nextProbeMs = 0;

  constructor(options: HealthRoundsOptions) {
    this.#options = options;
  }

  /** Another run begins. */
  begin(): void {
    this.#health = healthAtStart;
    this.#nextProbeMs = 0;
  }

  /**
   * Probes when it is time; gives how long it is until the next one, ms; undefined for never.
   * @throws what the probe throws once the signal has fired
   */
  async look(
    assignment: Assignment,
    sinceMs: number,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { journal, clock } = this.#options;
    const { health } = assignment.role;
    if (health === undefined || health.probe === 'process') return undefined;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.#nextProbeMs) return this.#nextProbeMs - nowMs;
    this.#nextProbeMs = nowMs + health.everySeconds * 1000;
    const problem = await this.#problem(assignment, health.timeoutSeconds * 1000, signal);
    const isGood = problem === undefined;
    const runningMs = Math.max(0, clock.nowMs() - sinceMs);
    this.#health = countProbe(health, this.#health, { isGood, runningMs });
    const { standing } = this.#health;
    if (standing === 'healthy') journal.tell('healthy');
    if (standing === 'unhealthy') journal.tell('unhealthy', problem);
    return Math.max(1, this.#nextProbeMs - clock.monotonicMs());
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
