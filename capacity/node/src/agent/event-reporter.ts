import { isGridError, silentLogger, systemClock } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { NodeId } from '@commongrid/model';
import type { WorkloadSource } from '../ports.ts';
import type { NodeState, NumberedEvent } from '../reconcile/node-state.ts';
import { TellLoop } from '../tell-loop.ts';
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

/**
 * Tells the source what happened, in order, however long that takes; all of it is kept here anyway.
 * Of a workload of which too much happens the newest is told, when it is time.
 */
export class EventReporter implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #options: EventReporterOptions;
  readonly #loop: TellLoop;
  readonly #pace = new EventPace();
  /** The newest event of each workload that waits for its time. */
  readonly #held = new Map<string, NumberedEvent>();
  /** Number of the last event that was told, or is held. */
  #seen: number;

  constructor(options: EventReporterOptions) {
    this.#options = options;
    this.#seen = options.state.told;
    const { logger = silentLogger, clock = systemClock } = options;
    this.#loop = new TellLoop({
      tell: async (signal) => ((await this.#tellSome(signal)) ? 0 : this.#restMs()),
      onFailure: (error, isFirst) => {
        if (!isGridError(error)) logger.error({ err: error }, 'events cannot be told');
        else if (isFirst) logger.warn({ err: error }, 'events cannot be told');
      },
      clock,
    });
    this.close = () => this.#loop.close();
  }

  /** There may be something to tell. */
  poke(): void {
    this.#loop.poke();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
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

  /** Until it is time for what is held, ms. */
  #restMs(): number {
    return Math.min(...[...this.#held.values()].map((event) => this.#waitMs(event)));
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
