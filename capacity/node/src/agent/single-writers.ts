import { guardMs, isolationLookMs } from '@commongrid/model';
import type { GridView, NodeId, SealedAssignment } from '@commongrid/model';
import { closeOnce, repeat } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { WorkloadSource } from '../ports.ts';
import { Isolation } from './isolation.ts';
import { LastHeard } from './last-heard.ts';

export interface SingleWritersOptions {
  readonly node: NodeId;
  readonly view: Pick<GridView, 'current' | 'node'>;
  readonly source: Pick<WorkloadSource, 'viewAgeSeconds' | 'silentSeconds'>;
  /** Drawn at the boot of the machine. */
  readonly bootId: string;
  /** Where it is kept when the node was heard last; guards look there. */
  readonly heardFile: string;
  readonly onError: (error: unknown) => void;
  readonly clock: Clock;
}

type Writer = Pick<SealedAssignment, 'id' | 'contract' | 'role'>;

/**
 * Roles of which never two may run: they stop where the node is cut off. While there is one it is noted
 * each second when the node was heard, so that guards let it run; an agent that hangs or is dead notes
 * nothing, and they do not.
 */
export class SingleWriters {
  readonly close: () => Promise<void>;
  readonly #options: SingleWritersOptions;
  readonly #isolation = new Isolation();
  readonly #lastHeard: LastHeard;
  #areAny = false;
  #wereAny = false;

  constructor(options: SingleWritersOptions) {
    const { heardFile, bootId, clock, onError } = options;
    this.#options = options;
    this.#lastHeard = new LastHeard(heardFile, bootId);
    const closing = new AbortController();
    const { signal } = closing;
    const note = async (): Promise<void> => {
      if (this.#areAny || this.#wereAny) this.#cutOffSeconds();
    };
    const noting = repeat(isolationLookMs, note, { signal, clock, onError });
    this.close = closeOnce(async () => {
      closing.abort();
      await noting;
    });
  }

  /** Whether one of those that were asked about since `forget` is one. */
  get areAny(): boolean {
    return this.#areAny;
  }

  /** All that there are will be asked about again. */
  forget(): void {
    this.#wereAny = this.#areAny;
    this.#areAny = false;
  }

  /** Whether a workload has to stand still now. */
  mustStandStill(assignment: Writer): boolean {
    const { source, view, node, clock } = this.#options;
    if (assignment.role.onIsolation !== 'stop') return false;
    this.#areAny = true;
    const hearing = {
      viewAgeSeconds: source.viewAgeSeconds(),
      cutOffSeconds: this.#cutOffSeconds(),
      monotonicMs: clock.monotonicMs(),
    };
    return this.#isolation.holds(view, node, assignment, hearing);
  }

  /** After being cut off for so long nothing of it may run, ms; undefined for other roles. */
  cutOffMs({ contract, role }: Writer): number | undefined {
    if (role.onIsolation !== 'stop') return undefined;
    const heal = this.#options.view.current('grid.contract.1', contract)?.heal;
    return heal && guardMs(heal);
  }

  #cutOffSeconds(): number {
    const { source } = this.#options;
    return this.#lastHeard.ageSeconds(source.viewAgeSeconds(), source.silentSeconds());
  }
}
