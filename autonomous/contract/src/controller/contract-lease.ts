import { delay, isGridError } from '@commongrid/base';
import type { Clock, Logger, TaskGroup } from '@commongrid/base';
import type { ContractId, GridFold, LeaseName } from '@commongrid/model';
import type { ControllerLeases, HeldLease } from './ports.ts';

/** Pause after the lease could not be asked for, ms. */
const retryAfterMs = 1_000;

export interface ContractLeaseOptions {
  readonly id: ContractId;
  readonly leases: ControllerLeases;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tasks: TaskGroup;
  /** Called when the lease was taken. */
  readonly onTaken: () => void;
}

/** The lease of one contract: taken once it is wanted, and again when it fell. */
export class ContractLease {
  readonly #options: ContractLeaseOptions;
  #held: HeldLease | undefined;
  #isTaking = false;

  constructor(options: ContractLeaseOptions) {
    this.#options = options;
  }

  /** The lease, if this controller may act by it now, as the log has it too; else it is asked for. */
  now(fold: GridFold): HeldLease | undefined {
    const logged = fold.current('grid.lease.1', this.#options.id)?.fence ?? 0;
    const held = this.#held;
    if (held !== undefined && held.isHeld()) {
      if (held.fence === logged) return held;
      // The view is older than the lease: the next one has it.
      if (held.fence > logged) return undefined;
    }
    if (held !== undefined) this.drop();
    this.#take();
    return undefined;
  }

  /** Acts by it no more; others have to wait for its ttl. */
  drop(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#start('close', () => held.close());
  }

  /** Lets others in at once. */
  async release(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    try {
      await held?.release();
    } catch (error) {
      this.#options.logger.warn({ error }, 'a lease could not be released');
    }
  }

  #take(): void {
    if (this.#isTaking) return;
    const { id, leases, clock, logger, onTaken } = this.#options;
    this.#isTaking = true;
    this.#start('take', async (signal) => {
      try {
        const held = await leases.acquire(id as string as LeaseName, signal);
        if (signal.aborted) return await held.release();
        this.#held = held;
        onTaken();
      } catch (error) {
        if (isGridError(error, 'BASE_ABORTED')) throw error;
        logger.warn({ contract: id, error }, 'a lease could not be taken');
        await delay(retryAfterMs, { clock, signal });
      } finally {
        this.#isTaking = false;
      }
    });
  }

  #start(what: string, task: (signal: AbortSignal) => Promise<void>): void {
    const { id, tasks } = this.#options;
    if (!tasks.signal.aborted) tasks.start(`${what} the lease of ${id}`, task);
  }
}
