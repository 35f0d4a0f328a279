import { closeOnce, delay, isGridError, silentLogger, systemClock } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { NodeId } from '@commongrid/model';
import type { WorkloadSource } from '../ports.ts';
import type { NodeState, NumberedEvent } from '../reconcile/node-state.ts';
import { EventPace } from './event-pace.ts';

export interface EventReporterOptions {
  readonly node: NodeId;
  readonly state: NodeState;
  readonly source: Pick<WorkloadSource, 'say'>;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** Events that are looked at in one go; of so many that wait only the newest of each workload is told. */
const batchMax = 100;
/** Pause after a failure, ms; it doubles up to the longest. */
const pauseFirstMs = 500;
const pauseMaxMs = 30_000;

/**
 * Tells the source what happened, in order, however long that takes; all of it is kept here anyway.
 * Of a workload of which too much happens the newest is told, when it is time.
 */
export class EventReporter implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #options: EventReporterOptions;
  readonly #closing = new AbortController();
  #fresh = Promise.withResolvers<void>();
  readonly #pace = new EventPace();
  /** The newest event of each workload that waits for its time. */
  readonly #held = new Map<string, NumberedEvent>();
  /** Number of the last event that was told, or is held. */
  #seen: number;

  constructor(options: EventReporterOptions) {
    this.#options = options;
    this.#seen = options.state.told;
    const running = this.#run(this.#closing.signal);
    this.close = closeOnce(async () => {
      this.#closing.abort();
      this.poke();
      await running;
    });
  }

  /** There may be something to tell. */
  poke(): void {
    this.#fresh.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { logger = silentLogger, clock = systemClock } = this.#options;
    let pauseMs = pauseFirstMs;
    while (!signal.aborted) {
      this.#fresh = Promise.withResolvers();
      try {
        if (await this.#tellSome(signal)) continue;
        pauseMs = pauseFirstMs;
        await this.#rest(signal);
      } catch (error) {
        if (signal.aborted) return;
        const isKnown = isGridError(error);
        if (pauseMs === pauseFirstMs) logger.warn({ err: error }, 'events cannot be told');
        if (!isKnown) logger.error({ err: error }, 'events cannot be told');
        await delay(pauseMs, { signal, clock }).catch(() => {});
        pauseMs = Math.min(pauseMaxMs, 2 * pauseMs);
      }
    }
  }

  /** Whether there was anything new. */
  async #tellSome(signal: AbortSignal): Promise<boolean> {
    const events = this.#options.state.events(this.#seen, batchMax);
    for (const event of events.length < batchMax ? events : newestOfEach(events)) {
      if (this.#waitMs(event) === 0) await this.#tell(event, signal);
      else this.#held.set(subjectOf(event), event);
      this.#note(event.seq);
    }
    for (const event of this.#held.values()) {
      if (this.#waitMs(event) === 0) await this.#tell(event, signal);
    }
    const last = events.at(-1);
    this.#note(last?.seq ?? this.#seen);
    return last !== undefined;
  }

  async #tell({ seq: _seq, ...event }: NumberedEvent, signal: AbortSignal): Promise<void> {
    const { node, source, logger = silentLogger, clock = systemClock } = this.#options;
    const { workload, message, hint } = event;
    const subject = subjectOf(event);
    const texts = { message: told(message), hint: told(hint) };
    const value = { node, ...definedOf({ ...event, ...texts }) };
    try {
      await source.say(
        { url: 'grid.event.1', obj: workload === undefined ? node : `${node}/${workload}`, value },
        signal,
      );
    } catch (error) {
      // What the log will never take must not hold up what comes after it.
      if (!isGridError(error) || error.retryable || !refusals.has(error.code)) throw error;
      logger.warn({ err: error, event }, 'an event was refused');
    }
    this.#held.delete(subject);
    this.#pace.spend(subject, clock.monotonicMs());
  }

  /** What is held is told by the next agent, should this one end before. */
  #note(seq: number): void {
    const { state } = this.#options;
    this.#seen = seq;
    const firstHeld = Math.min(...[...this.#held.values()].map((event) => event.seq));
    const toldSeq = Math.min(seq, firstHeld - 1);
    if (toldSeq !== state.told) state.told = toldSeq;
  }

  #waitMs(event: NumberedEvent): number {
    const { clock = systemClock } = this.#options;
    return this.#pace.waitMs(subjectOf(event), clock.monotonicMs());
  }

  /** Until there is something to tell, or it is time for what is held. */
  async #rest(signal: AbortSignal): Promise<void> {
    if (this.#held.size === 0) return this.#fresh.promise;
    const { clock = systemClock } = this.#options;
    const ms = Math.min(...[...this.#held.values()].map((event) => this.#waitMs(event)));
    const over = new AbortController();
    const pause = delay(ms, { clock, signal: AbortSignal.any([signal, over.signal]) });
    await Promise.race([this.#fresh.promise, pause.catch(() => {})]);
    over.abort();
  }
}

/** Codes by which a database says no for good. */
const refusals: ReadonlySet<string> = new Set([
  ...['BCDB_RULE_BROKEN', 'BCDB_SCHEMA_MISMATCH', 'CRYPTO_JSON_UNSUPPORTED'],
  'MODEL_RECORD_INVALID',
]);

/** Of what is said about a failure, a record takes so many characters. */
const textMax = 1_000;

/** Parts of it can be a tenant's, and cut in the middle of a character. */
function told(text: string | undefined): string | undefined {
  return text?.slice(0, textMax).toWellFormed();
}

/** What an event is about: a workload, or the node itself. */
function subjectOf({ workload = '' }: { readonly workload?: string }): string {
  return workload;
}

function newestOfEach(events: readonly NumberedEvent[]): readonly NumberedEvent[] {
  const newest = new Map(events.map((event) => [subjectOf(event), event.seq]));
  return events.filter((event) => newest.get(subjectOf(event)) === event.seq);
}

function definedOf(event: object): object {
  return Object.fromEntries(Object.entries(event).filter(([, value]) => value !== undefined));
}
