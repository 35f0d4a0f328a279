import type { Clock } from '@commongrid/base';
import type { DriverContext, Progress } from '../driver.ts';
import type { FairGate } from './fair-gate.ts';
import { withStepLimit } from './step-limit.ts';
import type { WorkloadJournal } from './workload-journal.ts';

export interface WorkloadStepsOptions {
  readonly tenant: string;
  readonly journal: WorkloadJournal;
  /** Steps that cost much are taken inside. */
  readonly gate: FairGate;
  readonly clock: Clock;
}

/** One step of a workload. */
export interface LimitedStep<T> {
  /** What it is, for messages. */
  readonly what: string;
  readonly take: (context: DriverContext) => Promise<T>;
  /** Longest time without progress, ms. */
  readonly stallMs: number;
  /** Fires when the step is not wanted any more. */
  readonly signal: AbortSignal;
}

/** Takes the steps of one workload within their limits, and shows how far one is. */
export class WorkloadSteps {
  readonly #options: WorkloadStepsOptions;
  #progress: Progress | undefined;
  #isStuck = false;

  constructor(options: WorkloadStepsOptions) {
    this.#options = options;
  }

  get progress(): Progress | undefined {
    return this.#progress;
  }

  /** Whether a step was told to end, and does not. */
  get isStuck(): boolean {
    return this.#isStuck;
  }

  /** Waits for a place first, and gives it back early if the step is stuck. */
  async takeHeavy<T>(step: LimitedStep<T>): Promise<T> {
    const { gate, tenant } = this.#options;
    const leave = await gate.enter(tenant, step.signal);
    try {
      return await this.take(step, leave);
    } finally {
      leave();
    }
  }

  /** @throws NODE_STEP_STALLED, BASE_ABORTED, and what the step throws */
  async take<T>(
    { what, take, stallMs, signal }: LimitedStep<T>,
    onStuck: () => void = () => {},
  ): Promise<T> {
    const { journal, clock } = this.#options;
    try {
      return await withStepLimit(take, {
        ...{ what, stallMs, signal, clock },
        onProgress: (progress) => this.#noteProgress(progress),
        onStuck: () => {
          this.#isStuck = true;
          onStuck();
          journal.note('failed', { code: 'NODE_STEP_STUCK', message: `${what} does not end` });
        },
      });
    } finally {
      this.#progress = undefined;
      this.#isStuck = false;
    }
  }

  #noteProgress(progress: Progress): void {
    const { journal } = this.#options;
    this.#progress = progress;
    const isPreparing = journal.standing.phase === 'preparing';
    if (progress.what === 'image' && isPreparing) journal.tell('pulling');
  }
}
