import { GridError, isGridError } from '@commongrid/base';
import type { TaskGroup } from '@commongrid/base';
import type { ContractId, RecordOf, RecordUrl } from '@commongrid/model';
import type { ContractErrorCode } from '../errors.ts';
import { assessUnits } from '../heal/assess-units.ts';
import type { Assessment } from '../heal/assess-units.ts';
import { drainEnd } from '../heal/drain-end.ts';
import { UnitTrials } from '../heal/unit-trials.ts';
import type { Failure } from '../heal/unit-trials.ts';
import { blocked, blockedByError, ruleOf } from './blocked.ts';
import type { Blocked } from './blocked.ts';
import { endStep, isClosed } from './contract-end.ts';
import { ContractLease } from './contract-lease.ts';
import { ContractPlacer } from './contract-placer.ts';
import type { PlaceDone, PlaceStep } from './contract-placer.ts';
import { dueTombstones } from './due-tombstones.ts';
import { inParallel } from './in-parallel.ts';
import { caseOf, isAgreed } from './look.ts';
import type { ContractCase, ControllerTools, Look } from './look.ts';
import type { PlaceBook } from './place-book.ts';
import type { HeldLease } from './ports.ts';
import { Proposer } from './proposer.ts';
import { rolloutStepOf, withdrawal } from './rollout.ts';
import { StepLog } from './step-log.ts';
import type { StepNote } from './step-log.ts';
import type { Write } from './write-placement.ts';

/** Pause after the first failure of a contract, ms; each one after it doubles it, */
const retryAfterMs = 250;
/** up to this, ms. */
const retryAfterMsMax = 30_000;
/** How long a contract of which nothing changes is not gone through, ms. */
const idleMs = 10_000;
/** Refusals that say that another controller acts now. */
const leaseRules: ReadonlySet<string> = new Set(['CONTRACT_NOT_HOLDER', 'PLACEMENT_FENCE_OLD']);
/** Refusals of what is in the log already. */
const doneRules: ReadonlySet<string> = new Set(['ESCROW_FIXED']);

export interface ContractWorkerOptions extends ControllerTools {
  readonly id: ContractId;
  readonly book: PlaceBook;
  readonly tasks: TaskGroup;
  /** Where replicas did not do, as another process saw it. */
  readonly failures: readonly Failure[];
  /** Asks for another look. @returns the number of the first one that begins after this call */
  readonly again: () => number;
  /** Gets each change of what it waits for. */
  readonly onBlocked?: (() => void) | undefined;
}

/** One step at a time for one contract, each from what the log says then. */
export class ContractWorker {
  readonly #options: ContractWorkerOptions;
  readonly #lease: ContractLease;
  readonly #placer: ContractPlacer;
  readonly #proposer: Proposer;
  readonly #log = new StepLog();
  readonly #trials: UnitTrials;
  #blocked: readonly Blocked[] = [];
  #isBusy = false;
  #isClosed = false;
  #failures = 0;
  #notBeforeMs = 0;
  /** Something may have changed since the last step began. */
  #isTouched = true;
  /** Nodes may have said something since units were assessed. */
  #hasNews = true;
  /** Nothing is to be done until something changes, or until then by the monotonic clock, ms. */
  #idleUntilMs = 0;
  /** Earlier looks may lack what the last step did. */
  #firstLook = 0;

  constructor(options: ContractWorkerOptions) {
    this.#options = options;
    const { id, clock, logger, tasks, again, ports } = options;
    this.#placer = new ContractPlacer(options);
    this.#proposer = new Proposer(options);
    this.#trials = new UnitTrials(id, options.failures);
    this.#lease = new ContractLease({
      ...{ id, clock, logger, tasks },
      leases: ports.leases,
      onTaken: () => {
        this.#isTouched = true;
        again();
      },
    });
  }

  /** Why it does not go on; nothing while it does, or nothing is to be done. */
  get blocked(): readonly Blocked[] {
    return this.#blocked;
  }

  /** Where replicas did not do: another list whenever it changes. */
  get failures(): readonly Failure[] {
    return this.#trials.failures;
  }

  get steps(): readonly StepNote[] {
    return this.#log.steps;
  }

  /**
   * Begins the next step, if none is under way, and there may be one.
   * @param change what may have changed since the look before: records, or what is heard of nodes
   * @returns whether it began one
   */
  look(look: Look, change: 'news' | 'outlook' | undefined): boolean {
    this.#isTouched ||= change !== undefined;
    this.#hasNews ||= change === 'news';
    if (this.#isBusy || this.#isClosed) return false;
    if (look.nowMs < this.#notBeforeMs || look.n < this.#firstLook) return false;
    if (!this.#isTouched && look.nowMs < this.#idleUntilMs) return false;
    this.#isBusy = true;
    this.#isTouched = false;
    this.#idleUntilMs = 0;
    const { id, tasks } = this.#options;
    const before = this.#blocked;
    tasks.start(`a step of ${id}`, async (signal) => {
      try {
        await this.#try(look, signal);
      } finally {
        this.#isBusy = false;
        if (isOther(before, this.#blocked)) this.#options.onBlocked?.();
      }
    });
    return true;
  }

  /** Lets other controllers in. */
  release(): Promise<void> {
    return this.#lease.release();
  }

  async #try(look: Look, signal: AbortSignal): Promise<void> {
    const { id, logger, again } = this.#options;
    try {
      const hasActed = await this.#step(look, signal);
      this.#failures = 0;
      if (hasActed) this.#firstLook = again();
      else if (this.#isQuiet()) this.#idleUntilMs = look.nowMs + idleMs;
    } catch (error) {
      if (signal.aborted && isGridError(error, 'BASE_ABORTED')) throw error;
      logger.warn({ contract: id, error }, 'a step of a contract failed');
      if (leaseRules.has(ruleOf(error) ?? '')) this.#lease.drop();
      this.#blocked = [blockedByError(error)];
      const pauseMs = Math.min(retryAfterMsMax, retryAfterMs * 2 ** this.#failures++);
      this.#notBeforeMs = look.nowMs + pauseMs;
      this.#firstLook = look.n + 1;
    }
  }

  /** Whether only news can give it anything to do, but for what takes minutes anyway. */
  #isQuiet(): boolean {
    const isWaiting = this.#blocked.some(({ code }) => code !== 'HEAL_LEASE_TAKEN');
    return !isWaiting && !this.#trials.isWaiting && !this.#proposer.isWaiting;
  }

  /** Does what comes next. @returns whether anything was appended, so that there may be more to do */
  async #step(look: Look, signal: AbortSignal): Promise<boolean> {
    const one = caseOf(look, this.#options.ports, this.#options.id);
    if (one === undefined) return this.#rest([]);
    const isEnding = one.state.agreed.remove !== undefined;
    if (!isEnding && !isAgreed(one)) return this.#rest([]);
    if (isEnding && isClosed(look, one) && !this.#proposer.isToEnd(look, one)) {
      return this.#close(one);
    }
    const lease = this.#lease.now(look.fold);
    if (lease === undefined) {
      return this.#rest([
        blocked('HEAL_LEASE_TAKEN', 'the lease of the contract is not held here'),
      ]);
    }
    const write: Write = (url, obj, value) => this.#write(look, lease, signal, { url, obj, value });
    if (isEnding) {
      return (await this.#proposer.end(look, one, write)) || this.#end(look, one, lease, write);
    }
    const { fence } = lease;
    const assessed = this.#assess(look, one);
    const rollout = rolloutStepOf(look, one, assessed);
    if (rollout.is === 'withdraw') {
      this.#rest(assessed.blocked);
      await write('grid.placement.1', one.id, withdrawal(look, one.id, fence, rollout));
      return true;
    }
    const assessment = { ...assessed, wanted: rollout.wanted, blocked: rollout.blocked };
    const done = await this.#place({ look, one, fence, assessment, write, signal });
    const { hasActed, shortage, blocked: reasons } = done;
    const proposed = hasActed
      ? done
      : await this.#proposer.step({ look, one, shortage, blocked: reasons, write });
    this.#blocked = proposed.blocked;
    if (proposed.hasActed || assessment.wanted.length + assessment.ends.length > 0) {
      return proposed.hasActed;
    }
    const settled = drainEnd(look.fold, one.id, look.at);
    if (settled !== undefined) {
      await write('grid.placement.1', one.id, withdrawal(look, one.id, fence, settled));
      return true;
    }
    const due = dueTombstones(look, one, this.#options.ports.dispersed);
    await inParallel(due, (value) => write('grid.tombstone.1', value.workload, value));
    return due.length > 0;
  }

  /** Places what needs a place; where that is not to be done, ends what is to begin elsewhere. */
  async #place(step: PlaceStep): Promise<PlaceDone> {
    const { wanted, ends, blocked: held } = step.assessment;
    const rest: PlaceDone = { hasActed: false, blocked: held };
    const placed = wanted.length > 0 ? await this.#placer.step(step) : rest;
    if (placed.hasActed || ends.length === 0) return placed;
    const ended = await this.#placer.end(step);
    const blockedBy = [...placed.blocked, ...ended.blocked];
    return { ...ended, blocked: blockedBy, shortage: placed.shortage ?? ended.shortage };
  }

  #rest(reasons: readonly Blocked[]): false {
    this.#blocked = reasons;
    return false;
  }

  #assess(look: Look, { id, paper, header, state, units }: ContractCase): Assessment {
    const { fold, at, nowMs, watch, isStorm } = look;
    const hasNews = this.#hasNews;
    this.#hasNews = false;
    return assessUnits({
      ...{ contract: id, fold, at, nowMs, state, units, isStorm, hasNews },
      trials: this.#trials,
      isBeingRepaired: () => this.#options.ports.dispersed?.isBeingRepaired(id, fold) ?? false,
      isHollow: (workload, node) =>
        this.#options.ports.dispersed?.isHollow(workload, node) ?? false,
      isGivenUp: (node) => watch.isGivenUp(node),
      ...{ maxPerHour: header.heal.maxPerHour, untilMs: header.term.untilMs },
      ...{ replaceAfterMs: header.heal.replaceAfterMs, waits: this.#placer.waits },
      shards: paper.draft.shards,
      journal: () => look.journal.of(id),
      outlook: (node, isBegun) => watch.outlook(node, header.heal, isBegun),
      isExcluded: (node) => this.#placer.isExcluded(node, look.nowMs),
    });
  }

  async #end(look: Look, one: ContractCase, lease: HeldLease, write: Write): Promise<boolean> {
    const step = endStep(look, one, lease.fence);
    this.#rest([]);
    if (step.is === 'withdraw') await write('grid.placement.1', one.id, step.placement);
    if (step.is === 'bury') {
      await inParallel(step.tombstones, (value) =>
        write('grid.tombstone.1', value.workload, value),
      );
    }
    return step.is === 'closed' ? this.#close(one) : true;
  }

  /** Nothing of it is left to do, for good. */
  async #close({ id }: ContractCase): Promise<false> {
    this.#isClosed = true;
    this.#rest([]);
    this.#options.book.drop(id);
    await this.#lease.release();
    return false;
  }

  async #write<Url extends RecordUrl>(
    { at }: Look,
    lease: HeldLease,
    signal: AbortSignal,
    record: { readonly url: Url; readonly obj: string; readonly value: RecordOf<Url> },
  ): Promise<void> {
    if (!lease.isHeld()) {
      const text = 'the lease of the contract fell while it was acted by';
      throw new GridError<ContractErrorCode>('CONTRACT_LEASE_LOST', text, { retryable: true });
    }
    try {
      await this.#options.ports.grid.write(record, { signal });
    } catch (error) {
      if (!doneRules.has(ruleOf(error) ?? '')) throw error;
    }
    this.#log.note({ at, url: record.url, obj: record.obj });
  }
}

/** Whether a contract waits for something else than before. */
function isOther(before: readonly Blocked[], now: readonly Blocked[]): boolean {
  return before !== now && JSON.stringify(before) !== JSON.stringify(now);
}
