import { isGridError } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { SealingKey } from '@commongrid/crypto';
import type { Desired } from '@commongrid/model';
import type { NodeErrorCode } from '../errors.ts';
import type { NodeState } from '../reconcile/node-state.ts';
import type { Reconciler } from '../reconcile/reconciler.ts';
import type { Wish } from '../reconcile/wish.ts';
import type { BootVerdict } from './boot-clearance.ts';
import { OpenedWishes } from './opened-wishes.ts';
import type { SingleWriters } from './single-writers.ts';

export interface WishMakerOptions {
  readonly sealing: SealingKey;
  /** Hash of the genesis. */
  readonly log: string;
  readonly state: Pick<NodeState, 'workload'>;
  readonly singleWriters: Pick<SingleWriters, 'mustStandStill' | 'cutOffMs'>;
  /** Told of what cannot be wished, and why. */
  readonly reconciler: Pick<Reconciler, 'refuse'>;
  readonly logger: Logger;
}

/** Makes of what verified records want what this node wishes of its workloads now. */
export class WishMaker {
  readonly #options: WishMakerOptions;
  readonly #opened: OpenedWishes;

  constructor(options: WishMakerOptions) {
    this.#options = options;
    this.#opened = new OpenedWishes(options.sealing, options.log);
  }

  /** Undefined: nothing is to be changed. */
  async of(desired: Desired, boot: BootVerdict): Promise<Wish | undefined> {
    const { reconciler } = this.#options;
    const { workload: id, revision } = desired;
    if (desired.be === 'run') {
      if (boot === 'clear') return this.#running(desired);
      if (boot === 'cloned') reconciler.refuse({ id, revision }, cloned);
      return undefined;
    }
    if (desired.be === 'refused') {
      reconciler.refuse({ id, revision }, refusalOf(desired.code));
      return undefined;
    }
    return this.#isKnown(desired) ? { is: endOf[desired.be], id, revision } : undefined;
  }

  async #running(desired: Desired & { readonly be: 'run' }): Promise<Wish | undefined> {
    const { singleWriters, reconciler, logger } = this.#options;
    const { workload: id, revision, assignment } = desired;
    if (singleWriters.mustStandStill(assignment)) {
      return this.#isKnown(desired) ? { is: 'paused', id, revision } : undefined;
    }
    try {
      return await this.#opened.of(assignment, singleWriters.cutOffMs(assignment));
    } catch (error) {
      // Whatever it is, others are not held up by it.
      if (!isGridError(error)) logger.error({ err: error, id }, 'a workload was refused');
      const known = isGridError(error) ? error : undefined;
      const { code = 'NODE_FAULT', message = 'the node cannot make it out', hint } = known ?? {};
      reconciler.refuse({ id, revision }, { code, message, hint, isRetryable: false });
      return undefined;
    }
  }

  #isKnown({ workload }: Desired): boolean {
    return this.#options.state.workload(workload) !== undefined;
  }
}

const endOf = { pause: 'paused', stop: 'stopped', remove: 'deleted' } as const;

const cloned = {
  code: 'NODE_CLONED' satisfies NodeErrorCode,
  message: 'another machine has the key of this node: nothing is started here',
  hint: 'stop one of them and remove its folder, then the owner of the farm adopts the node again',
  isRetryable: true,
};

function refusalOf(code: string) {
  const message = `verified records do not allow it: ${code}`;
  return { code, message, hint: `grid explain ${code}`, isRetryable: code === 'VIEW_STALE' };
}
