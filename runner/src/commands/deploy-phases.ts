import { isGridError } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import type { WorkloadId } from '@commongrid/model';

import type { CommandContext, JsonOption } from '../command-context.ts';
import type { PlacedWorkload } from '../node/deploy.ts';
import { followDeploy, standingOf } from '../node/deploy-progress.ts';
import type { DeployStanding, WorkloadEvent } from '../node/deploy-progress.ts';
import { plainText } from '../terminal.ts';

/** Tells how a deployment comes up, with the seconds since it began. */
export class DeployPhases {
  readonly #startedMs = performance.now();
  readonly #note: (text: string) => void;

  /** With `--json` nothing is told. */
  constructor({ terminal }: CommandContext, { json }: JsonOption) {
    this.#note = json === true ? () => {} : terminal.note;
  }

  /** @param what such as an image @param phase that it has come to */
  say(what: string, phase: string, ...further: readonly string[]): void {
    const time = `${((performance.now() - this.#startedMs) / 1000).toFixed(1)} s`.padStart(8);
    this.#note([time, what, phase, ...further].map(plainText).join('  ').trimEnd());
  }

  /** Until workloads are there or failed, or the signal fires. @param from first sequence of the log that counts */
  async follow(placed: readonly PlacedWorkload[], options: FollowOptions): Promise<DeployStanding> {
    const { isPatient, signal } = options;
    const seen = new Map<WorkloadId, WorkloadEvent>();
    const onEvent = (event: WorkloadEvent): void => {
      seen.set(event.workload, event);
      this.#sayEvent(event);
    };
    try {
      return await followDeploy(placed, { ...options, onEvent });
    } catch (error) {
      if (!signal.aborted || !isGridError(error)) throw error;
      return standingOf(placed, seen, isPatient);
    }
  }

  #sayEvent({ workload, phase, code, message, hint }: WorkloadEvent): void {
    const [, ...name] = workload.split('/');
    const why = [code, message].filter((text) => text !== undefined).join(': ');
    const next = hint === undefined ? '' : ` (next: ${hint})`;
    this.say(name.join('/'), phase, `${why}${next}`);
  }
}

export interface FollowOptions {
  readonly client: BcdbClient;
  readonly from: number;
  readonly isPatient: boolean;
  readonly signal: AbortSignal;
}
