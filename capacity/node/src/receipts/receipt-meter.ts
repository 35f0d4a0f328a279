import { closeOnce, repeat, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { ContractRole, EventPhase, LockId, WorkloadId } from '@commongrid/model';
import type { Observation } from '../driver.ts';
import type { NodeState, NumberedWorkloadEvent } from '../reconcile/node-state.ts';
import { addSample, beginMeter, count, cut } from './meter.ts';
import type { Meter, Passed, Sample } from './meter.ts';

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

/** A meter, and when this process counted last, by the monotonic clock. */
interface Live {
  readonly meter: Meter;
  readonly countedMs: number | undefined;
}

/**
 * Counts for how long workloads that are paid for were healthy, and cuts receipts of it.
 *
 * 1. A workload is counted from the moment on at which it is placed by a lock with money (`follow`).
 * 2. Each change of its phase ends a stretch, in the transaction that keeps the change (`note`).
 * 3. Once a minute all is counted and kept; what has lasted an hour is cut off as a receipt.
 * 4. A meter is cut when the workload stands still, when its lock changes or ends, and when the agent
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

  /** @param options of which the meters were resumed by `resumeMeters` */
  constructor(options: ReceiptMeterOptions) {
    const { state, clock = systemClock, everyMs = receiptMsDefault, onError } = options;
    this.#options = options;
    this.#clock = clock;
    this.#everyMs = everyMs;
    for (const meter of state.receipts.meters()) {
      this.#live.set(meter.workload, { meter, countedMs: undefined });
    }
    const closing = new AbortController();
    const { signal } = closing;
    const watch = state.watchPhases((event) => this.#note(event));
    const rhythm = { signal, clock, onError };
    const looking = repeat(Math.min(keepEveryMsMax, everyMs / 4), () => this.#look(), rhythm);
    this.close = closeOnce(async () => {
      closing.abort();
      await looking;
      watch[Symbol.dispose]();
      state.together(() => {
        for (const id of this.#live.keys()) this.#change(id, (meter) => this.#cut(meter));
      });
    });
  }

  /** From now on these are paid for, each by its lock, and no others. */
  follow(places: ReadonlyMap<WorkloadId, LockId>): void {
    const { state } = this.#options;
    const ended = [...this.#live].filter(([id, { meter }]) => places.get(id) !== meter.lock);
    const begun = [...places].filter(
      ([id, lock]) => this.#live.get(id)?.meter.lock !== lock && state.revisionOf(id) !== undefined,
    );
    const fromMs = this.#options.logTimeMs();
    if (fromMs === undefined || (ended.length === 0 && begun.length === 0)) return;
    state.together(() => {
      const formers = new Map(ended.map(([id]) => [id, this.#end(id)]));
      for (const [workload, lock] of begun) this.#begin(workload, lock, fromMs, formers);
    });
    void this.#confirm().catch(this.#options.onError);
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
    this.#live.set(workload, { meter, countedMs: this.#clock.monotonicMs() });
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
        this.#change(id, (meter) => {
          const seen = samples.get(id);
          const forMs = Number.isFinite(sinceMs) ? sinceMs : 0;
          const next = seen === undefined ? meter : addSample(meter, seen, forMs);
          return next.toMs - next.fromMs >= this.#everyMs ? this.#cut(next) : next;
        });
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

  /** Counts up to now, changes, and keeps. */
  #change(id: WorkloadId, change: (meter: Meter) => Meter): void {
    const live = this.#live.get(id);
    if (live === undefined) return;
    const passed = this.#passed(live);
    const counted = passed === undefined ? live.meter : count(live.meter, passed);
    const meter = change({ ...counted, session: this.#options.session() });
    const countedMs = passed === undefined ? live.countedMs : this.#clock.monotonicMs();
    this.#options.state.receipts.keep(meter);
    this.#live.set(id, { meter, countedMs });
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
function isHealthyIn(phase: EventPhase, { health }: ContractRole): boolean {
  const isProbed = health !== undefined && health.probe !== 'process';
  return phase === 'healthy' || (phase === 'running' && !isProbed);
}
