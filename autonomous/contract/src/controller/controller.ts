import {
  closeOnce,
  delay,
  isGridError,
  silentLogger,
  systemClock,
  TaskGroup,
} from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { GridNow } from '@commongrid/bcdb/client';
import type { ContractId, NodeId } from '@commongrid/model';
import { NodeWatch } from '../heal/node-watch.ts';
import type { NodeOutlook } from '../heal/node-watch.ts';
import { StormBrake } from '../heal/storm-brake.ts';
import type { Failure } from '../heal/unit-trials.ts';
import { contractStatus } from '../state/contract-status.ts';
import type { ContractStatus } from '../state/contract-status.ts';
import type { Blocked } from './blocked.ts';
import { ContractIndex } from './contract-index.ts';
import { JournalIndex } from './contract-journal.ts';
import { ControllerNotes } from './controller-notes.ts';
import { ContractWorker } from './contract-worker.ts';
import { caseOf } from './look.ts';
import type { Look } from './look.ts';
import { OutlookChanges } from './outlook-changes.ts';
import { PlaceBook } from './place-book.ts';
import type { ControllerPorts } from './ports.ts';
import type { StepNote } from './step-log.ts';

/** How long nothing is looked at when nothing was heard of, ms: silence is no news. */
const lookEveryMsDefault = 500;
/** Least time from one look to the next for each contract that does a step, ms. */
const lookRestMs = 1;
/** Longest time from one look to the next that many contracts make, ms. */
const lookRestMsMax = 250;
/** Pause after the grid could not be read, ms. */
const retryAfterMs = 1_000;
/** Contracts of one controller: each has a step and a lease under way. */
const contractsMax = 10_000;

export interface ControllerOptions extends ControllerPorts {
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** How long nothing is looked at when there is no news, ms. Default 500. */
  readonly lookEveryMs?: number;
  /** Gets each change of what a contract waits for: `status` has it. */
  readonly onBlocked?: (() => void) | undefined;
}

/** What a controller makes of a contract. */
export interface ControlledContract {
  readonly id: ContractId;
  /** What the records come to; undefined while the contract is not in the log. */
  readonly status: ContractStatus | undefined;
  readonly blocked: readonly Blocked[];
  /** Records that this controller appended last. */
  readonly steps: readonly StepNote[];
  /** Nodes of it that are not heard of. */
  readonly silent: readonly { readonly node: NodeId; readonly outlook: NodeOutlook }[];
}

/**
 * Makes contracts true: places them, and places anew what is lost. It has no truth of its own. Each look
 * takes the whole of what the log says, each contract does the one step that comes next, and what a step
 * appends is named by what it is about, so that a step that was cut off is made again with one effect.
 *
 * 1. A look reads the owner's feed, and what is heard of the nodes that contracts run on.
 * 2. Silent nodes are probed; the storm brake counts who vanished.
 * 3. Each contract takes its lease, and does one step: `ContractWorker`.
 * 4. Whoever did something asks for another look; else the next one comes with news, or by time.
 */
export class Controller implements AsyncDisposable {
  readonly #options: ControllerOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #tasks: TaskGroup;
  readonly #workers = new Map<ContractId, ContractWorker>();
  readonly #book: PlaceBook;
  readonly #watch: NodeWatch;
  readonly #brake = new StormBrake();
  readonly #notes: ControllerNotes | undefined;
  readonly #index = new ContractIndex();
  readonly #outlooks = new OutlookChanges();
  /** Contracts that something may have changed of, and whose workers were not told yet. */
  readonly #touched = new Set<ContractId>();
  #now: GridNow | undefined;
  #looks = 0;
  #wake = Promise.withResolvers<void>();

  /** Ends what runs, and lets other controllers in. Idempotent. */
  readonly close = closeOnce(async () => {
    await this.#tasks.close();
    this.#index.close();
    await Promise.all([...this.#workers.values()].map((worker) => worker.release()));
  });

  private constructor(options: ControllerOptions) {
    const { clock = systemClock, logger = silentLogger, memory } = options;
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#tasks = new TaskGroup({
      maxTasks: 4 * contractsMax,
      onError: (error, name) => logger.error({ name, error }, 'a task of the controller failed'),
    });
    this.#book = new PlaceBook(options.grid, clock);
    const brake = this.#brake;
    this.#notes = memory && new ControllerNotes({ memory, brake, logger });
    this.#watch = new NodeWatch(clock.monotonicMs(), { canProbe: options.probe !== undefined });
  }

  static open(options: ControllerOptions): Controller {
    const controller = new Controller(options);
    controller.#tasks.start('looks', (signal) => controller.#run(signal));
    controller.#tasks.start('news', (signal) => controller.#listen(signal));
    return controller;
  }

  /** Looks again at once. @returns the number of the first look that begins after this call */
  look(): number {
    this.#wake.resolve();
    return this.#looks + 1;
  }

  /**
   * The owner looked at the network, and wants what is gone to be replaced.
   * @returns whether anything waited for that
   */
  releaseBrake(): boolean {
    const reasons = this.blocked().flatMap((one) => one.blocked);
    const wasOn = this.isStorm || reasons.some(({ code }) => code === 'HEAL_SHARDS_AWAY');
    this.#brake.release();
    this.#watch.giveUp();
    this.look();
    return wasOn;
  }

  /** Whether a large part of the nodes vanished at once, so that little is moved. */
  get isStorm(): boolean {
    return this.#brake.isOn;
  }

  /** What contracts wait for, those that wait for something, as of the last look. */
  blocked(): readonly { readonly id: ContractId; readonly blocked: readonly Blocked[] }[] {
    return [...this.#workers].flatMap(([id, { blocked }]) =>
      blocked.length === 0 ? [] : [{ id, blocked }],
    );
  }

  /** Of each contract whose papers are here, as of the last look. */
  status(): readonly ControlledContract[] {
    return this.#options.papers.ids().map((id) => this.#statusOf(id));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #statusOf(id: ContractId): ControlledContract {
    const worker = this.#workers.get(id);
    const { fold, at } = this.#now ?? {};
    const heal = fold?.current('grid.contract.1', id)?.heal;
    const items = fold?.current('grid.placement.1', id)?.items ?? [];
    const nodes = [...new Set(items.map(({ node }) => node))];
    const moment = { seq: Number.MAX_SAFE_INTEGER, at: at ?? 0 };
    return {
      ...{ id, status: fold && contractStatus(fold, id, moment) },
      ...{ blocked: worker?.blocked ?? [], steps: worker?.steps ?? [] },
      silent: nodes.flatMap((node) => {
        const outlook = heal === undefined ? 'alive' : this.#watch.outlook(node, heal);
        return outlook === 'alive' ? [] : [{ node, outlook }];
      }),
    };
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { lookEveryMs = lookEveryMsDefault } = this.#options;
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers<void>();
      let pauseMs = lookEveryMs;
      let steps = 0;
      try {
        steps = await this.#look(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.warn({ error }, 'the grid cannot be looked at');
        pauseMs = retryAfterMs;
      }
      // Each step may ask for the next look, which many of them can wait for together.
      const restMs = Math.min(lookRestMsMax, steps * lookRestMs);
      await delay(restMs, { clock: this.#clock, signal });
      await this.#pause(pauseMs, signal);
    }
  }

  /** Until there is news, or the time is over. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const timer = delay(ms, { clock: this.#clock, signal: AbortSignal.any([signal, over.signal]) });
    const ended = timer.catch((error: unknown) => {
      if (!isGridError(error, 'BASE_ABORTED')) throw error;
    });
    await Promise.race([ended, this.#wake.promise]);
    over.abort();
    await ended;
  }

  async #listen(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#options.grid.changed(signal);
        this.#wake.resolve();
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.warn({ error }, 'news of the grid do not come');
        await this.#pause(retryAfterMs, signal);
      }
    }
  }

  /** @returns how many contracts there was a step of */
  async #look(signal: AbortSignal): Promise<number> {
    const { grid, papers } = this.#options;
    const n = ++this.#looks;
    const ids = papers.ids().slice(0, contractsMax);
    // Whoever controls nothing, as a farmer, is not to read the grid with each of its news.
    if (ids.length === 0) return 0;
    const now = await grid.now({ signal });
    this.#now = now;
    const { fold, at } = now;
    const touched = this.#index.refresh(fold, ids, (id) => caseOf(now, this.#options, id));
    for (const id of touched) this.#touched.add(id);
    const { wanted } = this.#index;
    await this.#notes?.read({ at, nowMs: this.#clock.monotonicMs() });
    const asked = new Set([...wanted.keys(), ...this.#brake.nodes]);
    const heardMs = this.#clock.monotonicMs();
    const heard = await grid.presence([...asked], { signal });
    const nowMs = this.#clock.monotonicMs();
    this.#watch.note({ nowMs, heardMs, at }, wanted, heard);
    const alive = [...heard].flatMap(([id, one]) => (one.standing === 'alive' ? [id] : []));
    this.#brake.note(nowMs, new Set(alive), new Set(wanted.keys()));
    this.#probe(now);
    const journal = new JournalIndex(fold, at, this.#index);
    const look = {
      ...{ n, fold, at, nowMs, journal, watch: this.#watch, isStorm: this.isStorm },
      successorsOf: (id: ContractId) => this.#index.successorsOf(id),
    };
    const count = this.#lookAt(look, ids);
    await this.#notes?.keep(look, this.#failures());
    return count;
  }

  /** @returns how many contracts there was a step of */
  #lookAt(look: Look, ids: readonly ContractId[]): number {
    const silenced = this.#outlooks.take(this.#watch, this.#index);
    let count = 0;
    for (const id of ids) {
      const why = this.#touched.has(id) ? 'news' : silenced.has(id) ? 'outlook' : undefined;
      if (this.#workerOf(id).look(look, why)) count++;
    }
    this.#touched.clear();
    return count;
  }

  #failures(): ReadonlyMap<ContractId, readonly Failure[]> {
    const all = [...this.#workers].map(([id, { failures }]) => [id, failures] as const);
    return new Map(all.filter(([, failures]) => failures.length > 0));
  }

  #workerOf(id: ContractId): ContractWorker {
    let worker = this.#workers.get(id);
    if (worker === undefined) {
      worker = new ContractWorker({
        ...{ id, book: this.#book, clock: this.#clock, logger: this.#logger, tasks: this.#tasks },
        ...{ ports: this.#options, again: () => this.look(), onBlocked: this.#options.onBlocked },
        failures: this.#notes?.failuresOf(id) ?? [],
      });
      this.#workers.set(id, worker);
    }
    return worker;
  }

  /** Asks silent machines themselves; each look goes on meanwhile. */
  #probe({ fold }: GridNow): void {
    const { probe, grid } = this.#options;
    if (probe === undefined) return;
    for (const id of this.#watch.toProbe()) {
      const startedMs = this.#clock.monotonicMs();
      this.#tasks.start(`a probe of ${id}`, async (signal) => {
        let isAnswered = false;
        try {
          const node = fold.current('grid.node.1', id) ?? (await grid.node(id, { signal }));
          isAnswered = node !== undefined && (await probe.answers(node, { signal }));
        } finally {
          this.#watch.noteProbe(id, startedMs, isAnswered);
        }
        this.look();
      });
    }
  }
}
