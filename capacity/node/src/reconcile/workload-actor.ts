import { closeOnce, delay, isGridError, systemClock } from '@commongrid/base';
import type { Clock, GridError, Logger } from '@commongrid/base';
import { canonicalHash } from '@commongrid/crypto';
import type { EventPhase } from '@commongrid/model';
import type { Assignment } from '../assignment.ts';
import type { Driver, DriverContext, Loss, Observation, Progress } from '../driver.ts';
import type { NodeErrorCode } from '../errors.ts';
import { countProbe, healthAtStart } from '../health/health-count.ts';
import { isRestartDue, nextRestart } from '../health/restart-policy.ts';
import type { FairGate } from './fair-gate.ts';
import { nextStep } from './next-step.ts';
import type { Step } from './next-step.ts';
import type { NodeState, NumberedEvent } from './node-state.ts';
import { withStepLimit } from './step-limit.ts';
import { assignmentOf } from './wish.ts';
import type { KnownWorkload, Wish } from './wish.ts';

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
  readonly onEvent: (event: NumberedEvent) => void;
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
  readonly #closing = new AbortController();
  /** Fires when what is done now is for a wish that changed. */
  #outdated = new AbortController();
  #wish: Wish | undefined;
  #fingerprint: string | undefined;
  #poked = Promise.withResolvers<void>();
  #failures = 0;
  #retryAtMs: number | undefined;
  #progress: Progress | undefined;
  #isStuck = false;
  #isSettled = false;
  #health = healthAtStart;
  #nextProbeMs = 0;
  #isGone = false;
  #isLossTold = false;
  #isAttended = false;

  constructor(options: WorkloadActorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const running = this.#run();
    this.close = closeOnce(async () => {
      this.#closing.abort();
      this.poke();
      await running;
    });
  }

  get status(): ActorStatus {
    return {
      wish: this.#wish?.is,
      progress: this.#progress,
      retryAtMs: this.#retryAtMs,
      isStuck: this.#isStuck,
      isSettled: this.#isSettled,
    };
  }

  /** What it is to be from now on. A wish for the same changes nothing. */
  set wish(wish: Wish) {
    const fingerprint = fingerprintOf(wish);
    const isSame = this.#fingerprint === fingerprint;
    this.#wish = wish;
    this.#fingerprint = fingerprint;
    if (isSame) return;
    this.#failures = 0;
    this.#retryAtMs = undefined;
    this.#isSettled = false;
    this.#outdated.abort();
    this.#outdated = new AbortController();
    this.poke();
  }

  /** Whether it is to be that already, of the same revision. */
  has(wish: Wish): boolean {
    return revisionOf(wish) === this.#revision() && this.#fingerprint === fingerprintOf(wish);
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
    const seen = await this.#limited('looking', (c) => driver.observe(known.key, c.signal), 10_000);
    if (wish !== this.#wish) return 0;
    if (wish.is === 'running') this.#noteFate(seen, wish);
    const step = nextStep({
      wish: wish.is,
      seen,
      isMade: wish.is === 'running' && this.#isMade(wish),
      isReady: wish.is === 'running' && isReady(wish.assignment),
      isFree: isFree(known),
      startAtMs: this.#startAtMs(seen, wish),
      nowMs: this.#clock.nowMs(),
    });
    this.#isSettled = step.take === 'none';
    return this.#take(step, wish, seen);
  }

  async #take(step: Step, wish: Wish, seen: Observation): Promise<number | undefined> {
    if (step.take === 'wait') return Math.max(1, step.untilMs - this.#clock.nowMs());
    if (step.take === 'none') return this.#settled(wish, seen);
    await this.#carryOut(step.take, wish);
    this.#failures = 0;
    this.#retryAtMs = undefined;
    return 0;
  }

  async #carryOut(take: TakenStep, wish: Wish): Promise<void> {
    const { known, driver, state } = this.#options;
    const assignment = wish.is === 'running' ? wish.assignment : assignmentOf(known);
    switch (take) {
      case 'prepare':
        state.setMade(known.id, undefined);
        this.#tell('preparing');
        await this.#heavy('preparing', (context) => driver.prepare(assignment, context));
        state.setMade(known.id, fingerprintOf(wish));
        return;
      case 'start':
        this.#tell('starting');
        await this.#heavy('starting', (context) => driver.start(assignment, context));
        return this.#started();
      case 'stop':
        this.#tell('stopping');
        return this.#limited(
          'stopping',
          (c) => driver.stop(assignment, c),
          stopLimitMs(assignment),
        );
      case 'release':
        state.setMade(known.id, undefined);
        return this.#limited('taking it away', (c) => driver.release(known.key, c), 60_000);
      case 'destroy':
        return this.#destroy();
    }
  }

  async #destroy(): Promise<void> {
    const { known, driver, state, onGone } = this.#options;
    this.#tell('deleting');
    state.setMade(known.id, undefined);
    await this.#limited('taking it away', (c) => driver.release(known.key, c), 60_000);
    await this.#limited('deleting', (c) => driver.destroy(known.key, c), 60_000);
    this.#tell('deleted');
    state.forget(known.id);
    this.#isGone = true;
    onGone();
  }

  /** Nothing is to be done: says so, and looks after what runs. */
  async #settled(wish: Wish, seen: Observation): Promise<number | undefined> {
    if (wish.is !== 'running') {
      if (seen.state === 'running') return undefined;
      this.#tell(wish.is === 'paused' ? 'paused' : 'stopped');
      return undefined;
    }
    if (seen.state !== 'running') return undefined;
    if (!runningPhases.has(this.#row().phase)) this.#started();
    await this.#attend(wish.assignment);
    return this.#lookAfter(wish.assignment, seen.sinceMs);
  }

  /** Once for each run that this process sees. */
  async #attend(assignment: Assignment): Promise<void> {
    if (this.#isAttended) return;
    await this.#options.driver.attend(assignment);
    this.#isAttended = true;
  }

  #started(): void {
    this.#isAttended = false;
    this.#tell('running');
    this.#health = healthAtStart;
    this.#nextProbeMs = 0;
    this.#isLossTold = false;
  }

  /** Probes when it is time; gives how long it is until the next one, ms. */
  async #lookAfter(assignment: Assignment, sinceMs: number): Promise<number | undefined> {
    const { health } = assignment.role;
    if (health === undefined || health.probe === 'process') return undefined;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#nextProbeMs) return this.#nextProbeMs - nowMs;
    this.#nextProbeMs = nowMs + health.everySeconds * 1000;
    const problem = await this.#probe(assignment, health.timeoutSeconds * 1000);
    const isGood = problem === undefined;
    const runningMs = Math.max(0, this.#clock.nowMs() - sinceMs);
    this.#health = countProbe(health, this.#health, { isGood, runningMs });
    const { standing } = this.#health;
    if (standing === 'healthy') this.#tell('healthy');
    if (standing === 'unhealthy') this.#tell('unhealthy', problem);
    return Math.max(1, this.#nextProbeMs - this.#clock.monotonicMs());
  }

  async #probe(assignment: Assignment, timeoutMs: number): Promise<unknown> {
    const { driver } = this.#options;
    try {
      await this.#limited('probing', (c) => driver.probe(assignment, c.signal), timeoutMs);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /** Says what happened by itself to what runs, or ran, as it was wished. */
  #noteFate(seen: Observation, wish: Wish & { readonly is: 'running' }): void {
    if (!this.#isMade(wish)) return;
    if (seen.state === 'ended') this.#noteEnd(seen, wish.assignment);
    if (seen.state === 'running' && seen.lost !== undefined)
      this.#noteLoss(seen.lost, wish.assignment);
  }

  /** What lost something is made anew, unless its role never starts it again: then it goes on. */
  #noteLoss(loss: Loss, { role }: Assignment): void {
    const { known, state } = this.#options;
    const why = losses[loss];
    if (role.restart.policy !== 'never') {
      state.setMade(known.id, undefined);
      return this.#note('failed', { ...why, hint: 'it is started anew', isRetryable: true });
    }
    if (this.#isLossTold) return;
    this.#isLossTold = true;
    const hint = 'it goes on, for its role never starts it again';
    this.#note(this.#row().phase, { ...why, hint });
  }

  #isMade(wish: Wish): boolean {
    return this.#row().made === fingerprintOf(wish);
  }

  /** Something that ran has ended by itself: says how, once, and when it is started again. */
  #noteEnd(seen: Observation & { readonly state: 'ended' }, { role }: Assignment): void {
    const { known, state } = this.#options;
    const row = this.#row();
    if (!startedPhases.has(row.phase)) return;
    const { exitCode, isOutOfMemory, atMs: endedMs } = seen;
    const run = { startedMs: Math.min(row.phaseAtMs, endedMs), endedMs, exitCode, isOutOfMemory };
    const again = nextRestart(role.restart, row.restart, run);
    state.setRestart(known.id, again ?? { ...row.restart, nextMs: never });
    const how = seen.isOutOfMemory
      ? { code: 'NODE_OUT_OF_MEMORY', message: 'it used more memory than it has' }
      : { code: 'NODE_ENDED', message: `it ended with ${seen.exitCode}` };
    if (again === undefined && seen.exitCode === 0) return this.#note('stopped', how);
    const hint = again === undefined ? 'its role does not start it again' : undefined;
    this.#note('failed', { ...how, hint, isRetryable: again !== undefined });
  }

  #startAtMs(seen: Observation, wish: Wish): number | undefined {
    if (wish.is !== 'running') return undefined;
    if (seen.state !== 'ended') return 0;
    const { restart } = this.#row();
    if (restart.nextMs === never) return undefined;
    const isDue = isRestartDue(wish.assignment.role.restart, restart, this.#clock.nowMs());
    return isDue ? 0 : restart.nextMs;
  }

  /** A step failed: says so and waits, longer each time. */
  #failed(error: unknown): number | undefined {
    if (this.#closing.signal.aborted) return 0;
    if (!isGridError(error)) this.#options.logger.error({ err: error }, 'a step failed');
    const pauseMs = Math.min(retryMaxMs, retryFirstMs * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#retryAtMs = this.#clock.nowMs() + pauseMs;
    this.#tell('failed', error);
    return pauseMs;
  }

  async #heavy<T>(what: string, step: (context: DriverContext) => Promise<T>): Promise<T> {
    const { gate, known } = this.#options;
    const leave = await gate.enter(known.tenant, this.#wanted());
    try {
      return await this.#limited(what, step, 60_000, leave);
    } finally {
      leave();
    }
  }

  async #limited<T>(
    what: string,
    step: (context: DriverContext) => Promise<T>,
    stallMs: number,
    onStuck: () => void = () => {},
  ): Promise<T> {
    try {
      return await withStepLimit(step, {
        ...{ what, stallMs, signal: this.#wanted(), clock: this.#clock },
        onProgress: (progress) => this.#noteProgress(progress),
        onStuck: () => {
          this.#isStuck = true;
          onStuck();
          this.#note('failed', { code: 'NODE_STEP_STUCK', message: `${what} does not end` });
        },
      });
    } finally {
      this.#progress = undefined;
      this.#isStuck = false;
    }
  }

  #noteProgress(progress: Progress): void {
    this.#progress = progress;
    if (progress.what === 'image' && this.#row().phase === 'preparing') this.#tell('pulling');
  }

  #tell(phase: EventPhase, problem?: unknown): void {
    if (problem === undefined) return this.#note(phase, {});
    const known: Partial<GridError> = isGridError(problem) ? problem : {};
    const said = problem instanceof Error ? problem.message : 'something was thrown';
    const { code = 'NODE_FAULT', message = said, hint, retryable = true } = known;
    this.#note(phase, { code, message, hint, isRetryable: retryable });
  }

  /** Keeps an event, unless it says what was said last. */
  #note(phase: EventPhase, why: Why): void {
    const { known, state, onEvent } = this.#options;
    const row = this.#row();
    if (row.phase === phase && row.code === why.code) return;
    const told = { ...why, message: why.message?.slice(0, messageMax) };
    const at = this.#clock.nowMs();
    const { id: workload } = known;
    onEvent(state.note({ workload, revision: this.#revision(), phase, ...told, at }));
  }

  #revision(): number {
    return this.#wish === undefined ? this.#options.known.revision : revisionOf(this.#wish);
  }

  #row() {
    const { state, known } = this.#options;
    const row = state.workload(known.id);
    if (row === undefined) throw new Error(`${known.id} was never accepted`);
    return row;
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

interface Why {
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  readonly hint?: string | undefined;
  readonly isRetryable?: boolean | undefined;
}

const losses: Readonly<Record<Loss, { readonly code: NodeErrorCode; readonly message: string }>> = {
  supervisor: { code: 'NODE_SUPERVISOR_LOST', message: 'its conmon was ended by something' },
  image: { code: 'NODE_IMAGE_LOST', message: 'its image cannot be read any more' },
};

/** Pause before a step that failed is taken again, ms; it doubles up to the longest. */
const retryFirstMs = 1_000;
const retryMaxMs = 60_000;
/** Of what is said about a failure, the log takes so many characters. */
const messageMax = 1_000;

const never = Number.MAX_SAFE_INTEGER;

const runningPhases: ReadonlySet<EventPhase> = new Set(['running', 'healthy', 'unhealthy']);
const startedPhases: ReadonlySet<EventPhase> = new Set([...runningPhases, 'starting', 'stopping']);

function stopLimitMs({ role }: Assignment): number {
  return (role.workload.container?.stop.graceSeconds ?? 0) * 1000 + 30_000;
}

function revisionOf(wish: Wish): number {
  return wish.is === 'running' ? wish.assignment.revision : wish.revision;
}

/** What a wish comes to: equal ones need nothing to be done. Of secrets their hash, not the text. */
function fingerprintOf(wish: Wish): string {
  if (wish.is !== 'running') return `${wish.is} ${wish.revision}`;
  const { secrets, revision: _revision, ...rest } = wish.assignment;
  const values = Object.fromEntries(secrets);
  const hashed = canonicalHash({ rest, values });
  return hashed.toBase64({ alphabet: 'base64url', omitPadding: true });
}
