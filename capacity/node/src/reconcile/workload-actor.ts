import { closeOnce, delay, isGridError, systemClock } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { ContractRole, WorkloadId } from '@commongrid/model';
import type { Assignment } from '../assignment.ts';
import type { Driver, DriverContext, Observation, Progress } from '../driver.ts';
import { neverRestarted } from '../health/restart-policy.ts';
import { phaseAtStart } from '../health/unprobed.ts';
import type { FairGate } from './fair-gate.ts';
import { fingerprintOf, isMadeAs } from './fingerprint.ts';
import { HealthRounds } from './health-rounds.ts';
import { nextStep } from './next-step.ts';
import type { Step } from './next-step.ts';
import type { NodeState, NumberedWorkloadEvent } from './node-state.ts';
import { assignmentOf } from './wish.ts';
import type { KnownWorkload, Wish } from './wish.ts';
import { requireWanted, RestartOrder } from './restart-order.ts';
import { runningPhases, WorkloadFate } from './workload-fate.ts';
import { WorkloadJournal } from './workload-journal.ts';
import type { PhaseReason } from './workload-journal.ts';
import { WorkloadSteps } from './workload-steps.ts';

export interface WorkloadActorOptions {
  readonly known: KnownWorkload;
  readonly driver: Driver;
  readonly state: NodeState;
  /** Steps that cost much are taken inside. */
  readonly gate: FairGate;
  /** Whether all that an assignment depends on works. */
  readonly isReady: (assignment: Assignment) => boolean;
  /** Whether nobody on this node uses it: a volume goes after its containers. */
  readonly isFree: (known: KnownWorkload) => boolean;
  /** Something was told: whoever depends on it, or reports it, looks again. */
  readonly onEvent: (event: NumberedWorkloadEvent) => void;
  /** A run has ended: called before anything of it is taken away, or told. It does not fail. */
  readonly onEnded?: ((id: WorkloadId) => Promise<void>) | undefined;
  /** Why what runs has to leave the node; undefined while it may stay. */
  readonly leaving: () => PhaseReason | undefined;
  /** The workload is gone, data and all. */
  readonly onGone: () => void;
  readonly logger: Logger;
  readonly clock?: Clock;
}

/** What an actor shows of itself besides what is kept. */
export interface ActorStatus {
  readonly wish: Wish['is'] | undefined;
  readonly progress: Progress | undefined;
  /** When it tries again, ms since 1970; undefined unless it failed. */
  readonly retryAtMs: number | undefined;
  readonly isStuck: boolean;
  /** It looked, and there is nothing to do until something changes. */
  readonly isSettled: boolean;
}

/**
 * Makes one workload what is wished, and keeps it so. It looks what is there, takes one step, and
 * looks again; when there is nothing to do it waits until something changes. Whatever fails is told
 * and tried again later. No other workload waits for it.
 */
export class WorkloadActor implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #options: WorkloadActorOptions;
  readonly #clock: Clock;
  readonly #journal: WorkloadJournal;
  readonly #fate: WorkloadFate;
  readonly #steps: WorkloadSteps;
  readonly #health: HealthRounds;
  readonly #restart = new RestartOrder();
  readonly #closing = new AbortController();
  /** Fires when what is done now is for a wish that changed. */
  #outdated = new AbortController();
  #wish: Wish | undefined;
  #fingerprint: string | undefined;
  #poked = Promise.withResolvers<void>();
  #failures = 0;
  #retryAtMs: number | undefined;
  #isSettled = false;
  #isGone = false;
  #isAttended = false;
  #isEndNoted = false;

  constructor(options: WorkloadActorOptions) {
    const { known, driver, state, gate, onEvent, leaving, clock = systemClock } = options;
    this.#options = options;
    this.#clock = clock;
    const journal = new WorkloadJournal({ known, state, onEvent, leaving, clock });
    this.#journal = journal;
    this.#fate = new WorkloadFate(journal, clock);
    this.#steps = new WorkloadSteps({ tenant: known.tenant, journal, gate, clock });
    this.#health = new HealthRounds({
      ...{ journal, clock },
      probe: (assignment, stallMs, signal) => {
        const take = (context: DriverContext) => driver.probe(assignment, context.signal);
        return this.#steps.take({ what: 'probing', take, stallMs, signal });
      },
    });
    const running = this.#run();
    this.close = closeOnce(async () => {
      this.#closing.abort();
      this.poke();
      await running;
      this.#restart.overtaken();
    });
  }

  get status(): ActorStatus {
    return {
      wish: this.#wish?.is,
      progress: this.#steps.progress,
      retryAtMs: this.#retryAtMs,
      isStuck: this.#steps.isStuck,
      isSettled: this.#isSettled,
    };
  }

  /** What it is to be from now on. A wish for the same changes nothing. */
  set wish(wish: Wish) {
    const fingerprint = fingerprintOf(wish);
    const isSame = this.#fingerprint === fingerprint;
    const isLater = revisionOf(wish) > this.#journal.revision;
    this.#wish = wish;
    this.#journal.revision = revisionOf(wish);
    this.#fingerprint = fingerprint;
    if (isLater && wish.is === 'running' && this.#isMade(wish)) this.#journal.tellAgain();
    if (isSame) return;
    this.#restart.overtaken();
    this.#beginAnew();
    this.#outdated.abort();
    this.#outdated = new AbortController();
    this.poke();
  }

  /** Whether it is to be that already, of the same revision. */
  has(wish: Wish): boolean {
    if (wish === this.#wish) return true;
    return revisionOf(wish) === this.#journal.revision && this.#fingerprint === fingerprintOf(wish);
  }

  /**
   * Ends what runs and begins it again as it was made, at once, whatever its role says of restarts.
   * Resolves once it runs again.
   * @throws NODE_RESTART_UNWANTED, NODE_RESTART_OVERTAKEN, and what its steps fail with
   */
  async restart(): Promise<void> {
    requireWanted(this.#wish?.is);
    const begun = this.#restart.ask();
    this.#journal.setRestart(neverRestarted);
    this.#beginAnew();
    this.poke();
    await begun;
  }

  /** Says of what runs that it has to leave the node now, or may stay again. */
  noteLeaving(): void {
    this.#journal.noteLeaving();
  }

  /** Something may have changed: looks at once. */
  poke(): void {
    this.#poked.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted && !this.#isGone) {
      this.#poked = Promise.withResolvers();
      const wish = this.#wish;
      const outdated = this.#outdated.signal;
      let waitMs: number | undefined;
      try {
        waitMs = wish === undefined ? undefined : await this.#turn(wish);
      } catch (error) {
        // What was broken off because it is not wanted any more did not fail.
        waitMs = outdated.aborted ? 0 : this.#failed(error);
      }
      if (waitMs !== 0 && !this.#isGone) await this.#rest(waitMs);
    }
  }

  /** Looks once and takes a step; gives how long there is nothing to do, ms. 0: look again now. */
  async #turn(wish: Wish): Promise<number | undefined> {
    const nowMs = this.#clock.nowMs();
    if (this.#retryAtMs !== undefined && nowMs < this.#retryAtMs) return this.#retryAtMs - nowMs;
    const { known, driver, isReady, isFree } = this.#options;
    const seen = await this.#take('looking', (c) => driver.observe(known.key, c.signal), 10_000);
    if (seen.state === 'ended') await this.#noteEnd();
    if (wish !== this.#wish) return 0;
    const role = wish.is === 'running' ? wish.assignment.role : undefined;
    const isMade = wish.is === 'running' && this.#isMade(wish);
    const isRestarting = isMade && this.#restart.isOpen;
    // What ended because it is restarted did not end by itself.
    if (role !== undefined && isMade && !isRestarting) this.#fate.note(seen, role);
    const step = nextStep({
      wish: wish.is,
      seen,
      isMade: isMade && this.#isMade(wish),
      isRestarting,
      isReady: wish.is === 'running' && isReady(wish.assignment),
      isFree: isFree(known),
      startAtMs: this.#startAtMs(seen, role),
      nowMs: this.#clock.nowMs(),
    });
    this.#isSettled = step.take === 'none';
    if (step.take === 'wait') return Math.max(1, step.untilMs - this.#clock.nowMs());
    if (step.take === 'none') return this.#settled(wish, seen);
    await this.#carryOut(step.take, wish);
    this.#failures = 0;
    this.#retryAtMs = undefined;
    return 0;
  }

  /** When it may be started, ms since 1970; undefined when it is not started again. */
  #startAtMs(seen: Observation, role: ContractRole | undefined): number | undefined {
    if (role === undefined) return undefined;
    return this.#restart.isOpen ? 0 : this.#fate.startAtMs(seen, role);
  }

  async #carryOut(step: TakenStep, wish: Wish): Promise<void> {
    const { known, driver } = this.#options;
    const assignment = wish.is === 'running' ? wish.assignment : assignmentOf(known);
    switch (step) {
      case 'prepare':
        this.#journal.setMade(undefined);
        this.#journal.tell('preparing');
        await this.#takeHeavy('preparing', (context) => driver.prepare(assignment, context));
        this.#journal.setMade(fingerprintOf(wish));
        return;
      case 'start': {
        const { signal } = this.#outdated;
        this.#journal.tell('starting');
        await this.#takeHeavy('starting', (context) => driver.start(assignment, context));
        this.#begin();
        this.#health.begin();
        // Of what was started for a wish that is gone the next look tells, if it is to stay.
        if (!signal.aborted) this.#journal.tell(phaseAtStart(assignment.role));
        this.#restart.done();
        return;
      }
      case 'stop':
        this.#journal.tell('stopping');
        return this.#take(
          'stopping',
          (context) => driver.stop(assignment, context),
          stopLimitMs(assignment),
        );
      case 'release':
        this.#journal.setMade(undefined);
        return this.#release();
      case 'destroy':
        return this.#destroy();
    }
  }

  #release(): Promise<void> {
    const { known, driver } = this.#options;
    return this.#take('taking it away', (c) => driver.release(known.key, c), stepLimitMs);
  }

  async #destroy(): Promise<void> {
    const { known, driver, onGone } = this.#options;
    this.#journal.tell('deleting');
    this.#journal.setMade(undefined);
    await this.#release();
    await this.#take('deleting', (c) => driver.destroy(known.key, c), stepLimitMs);
    this.#journal.tell('deleted');
    this.#journal.forget();
    this.#isGone = true;
    onGone();
  }

  /** Nothing is to be done: says so, and looks after what runs. */
  async #settled(wish: Wish, seen: Observation): Promise<number | undefined> {
    if (wish.is !== 'running') {
      if (seen.state !== 'running') this.#journal.tell(wish.is === 'paused' ? 'paused' : 'stopped');
      return undefined;
    }
    if (seen.state !== 'running') return undefined;
    if (!runningPhases.has(this.#journal.standing.phase)) this.#found(wish.assignment);
    await this.#attend(wish.assignment);
    return this.#health.look(wish.assignment, seen.sinceMs, this.#wanted());
  }

  /** Once for each run that this process sees. */
  async #attend(assignment: Assignment): Promise<void> {
    if (this.#isAttended) return;
    await this.#options.driver.attend(assignment);
    this.#isAttended = true;
  }

  /** Once for each run that this process sees the end of. */
  async #noteEnd(): Promise<void> {
    if (this.#isEndNoted) return;
    const { known, onEnded } = this.#options;
    await onEnded?.(known.id);
    this.#isEndNoted = true;
  }

  /** A run of which nothing was told goes on. */
  #found({ role }: Assignment): void {
    this.#begin();
    this.#health.find();
    this.#journal.tell(phaseAtStart(role));
  }

  /** Forgets what failed before. */
  #beginAnew(): void {
    this.#failures = 0;
    this.#retryAtMs = undefined;
    this.#isSettled = false;
  }

  /** Another run begins. */
  #begin(): void {
    this.#isAttended = false;
    this.#isEndNoted = false;
    this.#fate.begin();
  }

  /** Whether what is in place was made for this wish. */
  #isMade(wish: Wish): boolean {
    const { made } = this.#journal.standing;
    // Working it out anew takes longer than all the rest of a look.
    if (made !== undefined && wish === this.#wish && made === this.#fingerprint) return true;
    return isMadeAs(made, wish);
  }

  /** A step failed: says so and waits, longer each time. */
  #failed(error: unknown): number | undefined {
    if (this.#closing.signal.aborted) return 0;
    if (!isGridError(error)) this.#options.logger.error({ err: error }, 'a step failed');
    const pauseMs = Math.min(retryMaxMs, retryFirstMs * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#retryAtMs = this.#clock.nowMs() + pauseMs;
    this.#journal.tell('failed', error);
    this.#restart.fail(error);
    return pauseMs;
  }

  #takeHeavy<T>(what: string, take: (context: DriverContext) => Promise<T>): Promise<T> {
    return this.#steps.takeHeavy({ what, take, stallMs: stepLimitMs, signal: this.#wanted() });
  }

  #take<T>(
    what: string,
    take: (context: DriverContext) => Promise<T>,
    stallMs: number,
  ): Promise<T> {
    return this.#steps.take({ what, take, stallMs, signal: this.#wanted() });
  }

  #wanted(): AbortSignal {
    return AbortSignal.any([this.#closing.signal, this.#outdated.signal]);
  }

  /** Until something changes, or for so long. */
  async #rest(ms: number | undefined): Promise<void> {
    const over = new AbortController();
    const waits = [this.#poked.promise];
    if (ms !== undefined) {
      const pause = delay(ms, { clock: this.#clock, signal: over.signal });
      waits.push(pause.catch(() => {}));
    }
    await Promise.race(waits);
    over.abort();
  }
}

type TakenStep = Exclude<Step['take'], 'none' | 'wait'>;

/** Pause before a step that failed is taken again, ms; it doubles up to the longest. */
const retryFirstMs = 1_000;
const retryMaxMs = 60_000;
/** Longest time that a step makes no progress, ms. */
const stepLimitMs = 60_000;

function stopLimitMs({ role }: Assignment): number {
  return (role.workload.container?.stop.graceSeconds ?? 0) * 1000 + 30_000;
}

function revisionOf(wish: Wish): number {
  return wish.is === 'running' ? wish.assignment.revision : wish.revision;
}
