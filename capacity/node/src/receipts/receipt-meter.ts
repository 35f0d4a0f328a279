import { closeOnce, repeat, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { ContractRole, EventPhase, LockId, WorkloadId } from '@commongrid/model';
import type { Observation } from '../driver.ts';
import { isProbed } from '../health/unprobed.ts';
import type { NodeState, NumberedWorkloadEvent } from '../reconcile/node-state.ts';
import { addEnd, addSample, beginMeter, count, cut } from './meter.ts';
import type { Counters, Meter, Passed, Sample } from './meter.ts';

export interface ReceiptMeterOptions {
  readonly state: NodeState;
  /** Number of the session of this boot, as the log has it or will have it. */
  readonly session: () => number;
  /** Log time, ms since 1970; undefined before the source has given it to this process. */
  readonly logTimeMs: () => number | undefined;
  /** What there is of a workload; undefined for one that the machine knows nothing of. */
  readonly observe: (id: WorkloadId) => Promise<Observation | undefined>;
  /** What workloads use. */
  readonly sample: (ids: readonly WorkloadId[]) => Promise<ReadonlyMap<WorkloadId, Sample>>;
  /** What a workload used up to now, also one that ended; undefined where nothing tells it. */
  readonly counters: (id: WorkloadId) => Promise<Counters | undefined>;
  /** Receipts were cut. */
  readonly onReceipts: () => void;
  readonly onError: (error: unknown) => void;
  /** Time of one receipt, ms; default: an hour. */
  readonly everyMs?: number | undefined;
  readonly clock?: Clock;
}

/** Time of one receipt, ms. */
const receiptMsDefault = 3_600_000;
/** How often what was counted is kept, ms: so much is lost when a machine ends all at once. */
const keepEveryMsMax = 60_000;
/** Between two looks at what workloads use, ms. */
const sampleEveryMsMax = 300_000;

/** A meter, and when this process counted, and looked at use, last, by the monotonic clock. */
interface Live {
  readonly meter: Meter;
  readonly countedMs: number | undefined;
  readonly sampledMs: number | undefined;
}

/**
 * Counts for how long workloads that are paid for were healthy, and cuts receipts of it.
 *
 * 1. A workload is counted from the moment on at which it is placed by a lock with money (`follow`).
 * 2. Each change of its phase ends a stretch, in the transaction that keeps the change (`note`).
 * 3. Once a minute all is counted and kept; what has lasted an hour is cut off as a receipt.
 * 4. What is used is looked at every five minutes, and once more when a run has ended (`noteEnd`).
 * 5. A meter is cut when the workload stands still, when its lock changes or ends, and when the agent
 *    ends. What ran on under no agent is counted by the next one, where the same run still goes on, or
 *    tells when it ended. Of a machine that was cut off nothing is counted since the last minute.
 */
export class ReceiptMeter {
  readonly close: () => Promise<void>;
  readonly #options: ReceiptMeterOptions;
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #live = new Map<WorkloadId, Live>();
  #sampledMs = Number.NEGATIVE_INFINITY;
  #places: ReadonlyMap<WorkloadId, LockId> = new Map();
  #isEnding = false;
  #ending: Promise<void> = Promise.resolve();

  /** @param options of which the meters were resumed by `resumeMeters` */
  constructor(options: ReceiptMeterOptions) {
    const { state, clock = systemClock, everyMs = receiptMsDefault, onError } = options;
    this.#options = options;
    this.#clock = clock;
    this.#everyMs = everyMs;
    for (const meter of state.receipts.meters()) {
      this.#live.set(meter.workload, { meter, countedMs: undefined, sampledMs: undefined });
    }
    const closing = new AbortController();
    const { signal } = closing;
    const watch = state.watchPhases((event) => this.#note(event));
    const rhythm = { signal, clock, onError };
    const looking = repeat(Math.min(keepEveryMsMax, everyMs / 4), () => this.#look(), rhythm);
    this.close = closeOnce(async () => {
      closing.abort();
      await looking;
      await this.#ending;
      watch[Symbol.dispose]();
      state.together(() => {
        for (const id of this.#live.keys()) this.#change(id, (meter) => this.#cut(meter));
      });
    });
  }

  /** From now on these are paid for, each by its lock, and no others. */
  follow(places: ReadonlyMap<WorkloadId, LockId>): void {
    this.#places = places;
    if (this.#isEnding) return;
    const ended = this.#ended();
    if (ended.length === 0) return this.#settle();
    // What they used since the last look belongs to their last receipts.
    this.#ending = this.#settleAfterLook(ended).catch(this.#options.onError);
  }

  async #settleAfterLook(ended: readonly WorkloadId[]): Promise<void> {
    this.#isEnding = true;
    await Promise.all(ended.map((id) => this.noteEnd(id)));
    this.#isEnding = false;
    this.#settle();
  }

  /** Ends and begins what is paid for otherwise than before. */
  #settle(): void {
    const { state } = this.#options;
    const ended = this.#ended();
    const begun = [...this.#places].filter(
      ([id, lock]) => this.#live.get(id)?.meter.lock !== lock && state.revisionOf(id) !== undefined,
    );
    const fromMs = this.#options.logTimeMs();
    if (fromMs === undefined || (ended.length === 0 && begun.length === 0)) return;
    state.together(() => {
      const formers = new Map(ended.map((id) => [id, this.#end(id)]));
      for (const [workload, lock] of begun) this.#begin(workload, lock, fromMs, formers);
    });
    void this.#confirm().catch(this.#options.onError);
  }

  /** Those that are counted, and paid for by that lock no more. */
  #ended(): readonly WorkloadId[] {
    const ended = [...this.#live].filter(([id, { meter }]) => this.#places.get(id) !== meter.lock);
    return ended.map(([id]) => id);
  }

  /** A run has ended, and nothing of it is taken away yet: adds what it used since the last look. */
  async noteEnd(id: WorkloadId): Promise<void> {
    if (!this.#live.has(id)) return;
    const { state, counters, onError } = this.#options;
    try {
      const used = await counters(id);
      if (used === undefined) return;
      state.together(() => {
        this.#change(id, (meter, forMs) => addEnd(meter, used, forMs), true);
      });
    } catch (error) {
      onError(error);
    }
  }

  #begin(
    workload: WorkloadId,
    lock: LockId,
    fromMs: number,
    formers: ReadonlyMap<WorkloadId, Meter | undefined>,
  ): void {
    const { state, session } = this.#options;
    const former = formers.get(workload);
    const meter = beginMeter({
      ...{ workload, lock, session: session() },
      // No second is told twice.
      fromMs: Math.max(fromMs, former?.toMs ?? 0),
      isHealthy: former?.isHealthy ?? false,
      atMs: this.#clock.nowMs(),
      ...(former === undefined ? {} : { seen: former.seen }),
    });
    state.receipts.keep(meter);
    const nowMs = this.#clock.monotonicMs();
    this.#live.set(workload, { meter, countedMs: nowMs, sampledMs: nowMs });
  }

  /** @returns what was counted last */
  #end(id: WorkloadId): Meter | undefined {
    this.#change(id, (meter) => this.#cut(meter));
    const last = this.#live.get(id)?.meter;
    this.#live.delete(id);
    this.#options.state.receipts.end(id);
    return last;
  }

  /** Inside the transaction that keeps the event. */
  #note({ workload, phase }: NumberedWorkloadEvent): void {
    if (!this.#live.has(workload)) return;
    const role = this.#options.state.workload(workload)?.known.role;
    const isHealthy = role !== undefined && isHealthyIn(phase, role);
    this.#change(workload, (meter) => {
      const next = { ...meter, isHealthy };
      return standing.has(phase) ? this.#cut(next) : next;
    });
    if (phase !== 'deleted') return;
    this.#live.delete(workload);
    this.#options.state.receipts.end(workload);
  }

  async #look(): Promise<void> {
    if (this.#live.size === 0) return;
    const { state, sample } = this.#options;
    const startedMs = this.#clock.monotonicMs();
    const sinceMs = startedMs - this.#sampledMs;
    const isDue = sinceMs >= Math.min(sampleEveryMsMax, this.#everyMs / 4);
    const samples = isDue ? await sample([...this.#live.keys()]) : new Map<WorkloadId, Sample>();
    if (isDue) this.#sampledMs = startedMs;
    state.together(() => {
      for (const id of this.#live.keys()) {
        const seen = samples.get(id);
        const change = (meter: Meter, forMs: number): Meter => {
          const next = seen === undefined ? meter : addSample(meter, seen, forMs);
          return next.toMs - next.fromMs >= this.#everyMs ? this.#cut(next) : next;
        };
        this.#change(id, change, seen !== undefined);
      }
    });
    await this.#confirm();
  }

  /**
   * Something that is told as running, and is not counted: it was so before this process, or before it
   * was paid for. It is from when it is seen.
   */
  async #confirm(): Promise<void> {
    const { state, observe } = this.#options;
    for (const [id, { meter }] of [...this.#live]) {
      if (meter.isHealthy || !this.#isToldHealthy(id)) continue;
      const seen = await observe(id);
      if (seen?.state !== 'running' || !this.#isToldHealthy(id)) continue;
      state.together(() => this.#change(id, (now) => ({ ...now, isHealthy: true })));
    }
  }

  #isToldHealthy(id: WorkloadId): boolean {
    const row = this.#options.state.workload(id);
    return row !== undefined && isHealthyIn(row.phase, row.known.role);
  }

  /**
   * Counts up to now, changes, and keeps.
   * @param change is told for how long nobody looked at use, ms
   * @param isSample somebody did now
   */
  #change(
    id: WorkloadId,
    change: (meter: Meter, unsampledMs: number) => Meter,
    isSample = false,
  ): void {
    const live = this.#live.get(id);
    if (live === undefined) return;
    const nowMs = this.#clock.monotonicMs();
    const passed = this.#passed(live);
    const counted = passed === undefined ? live.meter : count(live.meter, passed);
    const unsampledMs = nowMs - (live.sampledMs ?? nowMs);
    const meter = change({ ...counted, session: this.#options.session() }, unsampledMs);
    const countedMs = passed === undefined ? live.countedMs : nowMs;
    const sampledMs = isSample ? nowMs : live.sampledMs;
    this.#options.state.receipts.keep(meter);
    this.#live.set(id, { meter, countedMs, sampledMs });
  }

  #passed({ countedMs }: Live): Passed | undefined {
    const logMs = this.#options.logTimeMs();
    if (logMs === undefined) return undefined;
    const nowMs = this.#clock.nowMs();
    const monotonicMs = this.#clock.monotonicMs();
    return {
      logMs,
      nowMs,
      elapsedMs: countedMs === undefined ? undefined : monotonicMs - countedMs,
    };
  }

  #cut(meter: Meter): Meter {
    const { state, onReceipts } = this.#options;
    const { meter: rest, receipt } = cut(meter);
    if (receipt === undefined) return meter;
    state.receipts.add(receipt);
    // Once it is kept for sure.
    queueMicrotask(onReceipts);
    return rest;
  }
}

/** In these phases nothing more comes for a while. */
const standing: ReadonlySet<EventPhase> = new Set(['paused', 'stopped', 'deleted']);

/** Whether a workload counts as healthy; one that nobody probes does while it runs. */
function isHealthyIn(phase: EventPhase, role: ContractRole): boolean {
  return phase === 'healthy' || (phase === 'running' && !isProbed(role));
}
