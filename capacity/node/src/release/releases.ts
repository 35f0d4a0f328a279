import { closeOnce, isGridError, repeat, silentLogger, systemClock } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { GridFold, GridRecord, NodeId, Software } from '@commongrid/model';
import type { NodeState } from '../reconcile/node-state.ts';
import { installRelease } from './install-release.ts';
import { nextRelease, wantedBy } from './next-release.ts';
import type { NextRelease, RunningRelease, WantedRelease } from './next-release.ts';
import { removeOldReleases } from './old-releases.ts';
import {
  failedChoice,
  isSameRelease,
  readChoice,
  releaseName,
  writeChoice,
} from './release-choice.ts';
import type { FailedRelease, KeptRelease, ReleaseChoice, ReleaseId } from './release-choice.ts';
import type { ReleaseImages } from './release-images.ts';
import { freshViewSeconds, holdTrial } from './release-trial.ts';
import { keepWitness, readWitness, takeWitness } from './release-witness.ts';
import type { WitnessedNode } from './release-witness.ts';

/** The agent whose releases these are. */
export interface ReleasedAgent extends WitnessedNode {
  readonly id: NodeId;
  readonly view: Pick<GridFold, 'current'>;
  readonly state: NodeState;
  readonly viewAgeSeconds: number;
  /** Log time, ms since 1970. */
  readonly logTimeMs: number;
  /** All records that the node has, in the order of the log. */
  records(): Iterable<GridRecord>;
  /** Keeps an event of the node itself, and tells it. */
  noteOwn(event: Parameters<NodeState['noteOwn']>[0]): void;
}

export interface ReleasesOptions {
  readonly agent: ReleasedAgent;
  /** Of the node. */
  readonly folder: string;
  /** Where the agent takes orders. */
  readonly controlPath: string;
  readonly images: ReleaseImages;
  /** What this agent is. */
  readonly running: RunningRelease;
  /** How long a release has to work before it is good, ms. Default 30,000. */
  readonly trialMs?: number;
  /** How long it may take to open, and then to find all as it was, ms each. Default 90,000. */
  readonly patienceMs?: number;
  /** The agent is to end: its keeper starts another. */
  readonly onSwitch: () => void;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** What a node shows of its releases. */
export interface ReleaseStatus extends RunningRelease {
  readonly isTrial: boolean;
  /** What the log has nodes run; null when it says nothing. */
  readonly wanted: ReleaseId | null;
  readonly next: NextRelease['is'];
  /** The last that did not work here. */
  readonly failed: FailedRelease | null;
  /** Why a release that is due cannot be taken; null when it can. */
  readonly problem: string | null;
}

/** From one look at the log's word to the next, ms. */
const lookEveryMs = 1_000;
/** Pause after a release could not be fetched, ms; it doubles up to the longest. */
const pauseFirstMs = 5_000;
const pauseMaxMs = 300_000;
/** A release that failed for want of the log is tried again after so long, ms. */
const retryMs = 600_000;
/** The program whose releases these are. */
const program = 'node';

/** Name of a fact: which failure was told. */
const toldFact = 'release told';

/** Carries out the records that say which release nodes run, with the keeper that started this agent. */
export class Releases implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #options: ReleasesOptions;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  #choice: ReleaseChoice;
  #isTrial: boolean;
  #software: Software | undefined;
  #wanted: WantedRelease | undefined;
  #problem: string | undefined;
  #failures = 0;
  #tryAtMs = 0;
  #isDone = false;
  #isClean = false;

  private constructor(options: ReleasesOptions, choice: ReleaseChoice) {
    const { logger = silentLogger, clock = systemClock, running } = options;
    this.#options = options;
    this.#logger = logger;
    this.#clock = clock;
    this.#choice = choice;
    this.#isTrial = choice.trial !== undefined && isRelease(running, choice.trial);
    const { signal } = this.#closing;
    const loop = this.#run(signal);
    this.close = closeOnce(async () => {
      this.#closing.abort();
      await loop;
    });
  }

  static async open(options: ReleasesOptions): Promise<Releases> {
    return new Releases(options, await readChoice(options.folder, options.logger));
  }

  get status(): ReleaseStatus {
    const { wanted, failed } = { wanted: this.#want(), failed: this.#choice.failed };
    return {
      ...this.#options.running,
      isTrial: this.#isTrial,
      wanted: wanted === undefined ? null : { version: wanted.version, digest: wanted.digest },
      next: this.#next().is,
      failed: failed ?? null,
      problem: this.#problem ?? null,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    try {
      if (this.#isTrial) await this.#stand(signal);
      if (this.#isDone) return;
      await repeat(lookEveryMs, () => this.#look(signal), {
        ...{ signal, clock: this.#clock },
        onError: (error) => this.#logger.error({ err: error }, 'releases cannot be looked after'),
      });
    } catch (error) {
      // A trial that cannot be held ends by the limit of the keeper.
      if (!signal.aborted) this.#logger.error({ err: error }, 'releases cannot be looked after');
    }
  }

  /** The trial of this agent. */
  async #stand(signal: AbortSignal): Promise<void> {
    const { agent, controlPath, trialMs = trialMsDefault, folder, running } = this.#options;
    const { patienceMs = patienceMsDefault, onSwitch } = this.#options;
    const witness = await readWitness(agent.state);
    const trial = { controlPath, node: agent, witness, trialMs, clock: this.#clock };
    const outcome = await holdTrial(trial, patienceMs, signal);
    const { trial: kept, good, former, failed: _failed, schema } = this.#choice;
    if (kept === undefined) return;
    if (outcome.isGood) {
      const { version, digest, command } = kept;
      const before = isSameRelease(good, kept) ? former : good;
      await this.#choose({
        ...{ schema, good: { version, digest, command } },
        ...(before === undefined ? {} : { former: before }),
      });
      this.#isTrial = false;
      this.#logger.info({ ...running }, 'the release is good');
      return;
    }
    const { message, isRetryable } = outcome;
    const atMs = this.#clock.nowMs();
    const { version, digest } = kept;
    const again = isRetryable ? { retryAtMs: atMs + retryMs } : {};
    this.#logger.error({ ...running, message, folder }, 'the release failed');
    await this.#choose(failedChoice(this.#choice, { version, digest, message, atMs, ...again }));
    this.#isDone = true;
    onSwitch();
  }

  async #look(signal: AbortSignal): Promise<void> {
    if (this.#isDone) return;
    this.#tellFailure();
    await this.#clean();
    await this.#forgetFailure();
    const next = this.#next();
    if (next.is !== 'due' || this.#clock.monotonicMs() < this.#tryAtMs) return;
    // Something new is started by fresh word of the log only: a lying source holds back what undid it.
    if (this.#options.agent.viewAgeSeconds > freshViewSeconds) return;
    const { version, digest } = next.release;
    try {
      const { folder, images } = this.#options;
      const kept = await installRelease({ version, digest }, { folder, images, signal });
      await this.#makeWay(kept, signal);
    } catch (error) {
      if (signal.aborted) return;
      await this.#refused({ version, digest }, error);
    }
  }

  /** What failed may be tried again once another was wanted meanwhile. */
  async #forgetFailure(): Promise<void> {
    const { failed, ...rest } = this.#choice;
    const wanted = this.#want();
    if (failed === undefined || wanted === undefined || isSameRelease(failed, wanted)) return;
    await this.#choose(rest);
  }

  /** The keeper is to start a release as a trial, once this agent has ended. */
  async #makeWay(release: KeptRelease, signal: AbortSignal): Promise<void> {
    const { agent, trialMs = trialMsDefault, patienceMs = patienceMsDefault } = this.#options;
    const witness = await takeWitness(agent, signal);
    keepWitness(agent.state, witness);
    const limitMs = 2 * patienceMs + trialMs;
    await this.#choose({ ...this.#choice, trial: { ...release, limitMs, starts: 0 } });
    this.#isDone = true;
    this.#logger.info({ ...release }, 'the keeper is to start another release');
    this.#options.onSwitch();
  }

  async #refused({ version, digest }: ReleaseId, error: unknown): Promise<void> {
    const message = error instanceof Error ? error.message : String(error);
    this.#logger.warn({ err: error, version, digest }, 'a release cannot be taken');
    if (isGridError(error, 'NODE_RELEASE_BROKEN')) {
      const failed = { version, digest, message, atMs: this.#clock.nowMs() };
      await this.#choose(failedChoice(this.#choice, failed));
      this.#problem = undefined;
      return this.#tellFailure();
    }
    const pauseMs = Math.min(pauseMaxMs, pauseFirstMs * 2 ** this.#failures);
    this.#failures += 1;
    this.#tryAtMs = this.#clock.monotonicMs() + pauseMs;
    if (this.#problem === undefined) {
      const known = isGridError(error) ? error : undefined;
      const code = known?.code ?? 'NODE_FAULT';
      this.#note({ code, message, hint: known?.hint, isRetryable: true });
    }
    this.#problem = message;
  }

  /** Once for each failure, also when the agent is killed in between. */
  #tellFailure(): void {
    const { failed } = this.#choice;
    if (failed === undefined) return;
    const { state } = this.#options.agent;
    const told = `${releaseName(failed)} ${failed.atMs}`;
    if (state.fact(toldFact) === told) return;
    const { version, message, retryAtMs } = failed;
    const hint =
      retryAtMs === undefined
        ? `mend it, then release a higher version; ${this.#options.running.version} runs`
        : 'it is tried again';
    const isRetryable = retryAtMs !== undefined;
    const said = `release ${version} did not work here: ${message}`;
    this.#note({ code: 'NODE_RELEASE_FAILED', message: said, hint, isRetryable });
    state.setFact(toldFact, told);
  }

  #note(why: {
    readonly code: string;
    readonly message: string;
    readonly hint: string | undefined;
    readonly isRetryable: boolean;
  }): void {
    const at = this.#clock.nowMs();
    this.#options.agent.noteOwn({ revision: 0, phase: 'failed', ...why, at });
  }

  #next(): NextRelease {
    const { agent, running } = this.#options;
    if (this.#isTrial) return { is: 'kept' };
    return nextRelease({
      ...{ node: agent.id, running, wanted: this.#want(), failed: this.#choice.failed },
      ...{ logTimeMs: agent.logTimeMs, nowMs: this.#clock.nowMs() },
    });
  }

  /** What the log has this node run. When it began to is looked up once for each record. */
  #want(): WantedRelease | undefined {
    const { agent } = this.#options;
    const software = agent.view.current('grid.software.1', program);
    if (software === undefined) return undefined;
    if (software !== this.#software) {
      const { version, flist: digest } = software;
      this.#software = software;
      this.#failures = 0;
      this.#tryAtMs = 0;
      this.#problem = undefined;
      this.#wanted = wantedBy(software, sinceOf(agent.records(), { version, digest }));
    }
    return this.#wanted;
  }

  async #choose(choice: ReleaseChoice): Promise<void> {
    await writeChoice(this.#options.folder, choice);
    this.#choice = choice;
  }

  /** Once, so that what is wrong with a disk is told once, and holds nothing up. */
  async #clean(): Promise<void> {
    if (this.#isClean) return;
    this.#isClean = true;
    const { good, former, trial } = this.#choice;
    const kept = [good, former, trial].flatMap((one) => (one === undefined ? [] : [one]));
    const names = new Set(kept.map(releaseName));
    const removed = await removeOldReleases(this.#options.folder, names);
    if (removed.length > 0) this.#logger.info({ removed }, 'old releases were removed');
  }
}

const trialMsDefault = 30_000;
const patienceMsDefault = 90_000;

function isRelease(running: RunningRelease, release: ReleaseId): boolean {
  return running.digest === release.digest && running.version === release.version;
}

/** Log time of the newest record that wants a release. */
function sinceOf(records: Iterable<GridRecord>, { version, digest }: ReleaseId): number {
  let sinceMs = 0;
  for (const { url, obj, value, at } of records) {
    if (url !== 'grid.software.1' || obj !== program) continue;
    const { version: its, flist } = value as { readonly version?: string; readonly flist?: string };
    if (its === version && flist === digest) sinceMs = at;
  }
  return sinceMs;
}
