import { closeOnce, isGridError, silentLogger, systemClock } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { GridFold } from '@commongrid/model';
import type { NodeSession, WorkloadSource } from '../ports.ts';
import { introduction } from './introduction.ts';
import type { NodeFacts } from './introduction.ts';

export interface IntroducerOptions {
  readonly facts: NodeFacts;
  readonly bootId: string;
  readonly view: GridFold;
  readonly source: WorkloadSource;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** What was said is not said again for so long: it takes a while until it comes back as a record. */
const sayAgainMs = 10_000;
/** Pause after it could not be said, ms. */
const retryMs = 1_000;

/** Sees to it that the log has this node and its session as they are, and shows that it lives. */
export class Introducer {
  readonly close: () => Promise<void>;
  readonly #options: IntroducerOptions;
  #facts: NodeFacts;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  #saying: Promise<void> = Promise.resolve();
  #said = '';
  /** When the same may be said again, by the monotonic clock. */
  #againMs = Number.NEGATIVE_INFINITY;
  #isBusy = false;
  /** Why it could not be said: that is told once, however long it lasts. */
  #problem = '';
  #attended: NodeSession | undefined;

  constructor(options: IntroducerOptions) {
    this.#options = options;
    this.#facts = options.facts;
    this.#clock = options.clock ?? systemClock;
    this.close = closeOnce(async () => {
      this.#closing.abort();
      await this.#saying;
    });
  }

  /** The machine is reached elsewhere from now on. */
  moved(addresses: readonly string[]): void {
    this.#facts = { ...this.#facts, addresses: [...addresses] };
    this.look();
  }

  /** The node takes nothing new from now on, or takes it again. */
  drains(isDraining: boolean): void {
    const { isDraining: _before, ...facts } = this.#facts;
    this.#facts = { ...facts, ...(isDraining ? { isDraining } : {}) };
    this.look();
  }

  /** Looks whether something has to be said. */
  look(): void {
    const { bootId, view, source } = this.#options;
    const facts = this.#facts;
    const record = view.current('grid.node.1', facts.id);
    const { statements, session } = introduction(facts, bootId, {
      ...{ record, state: view.node(facts.id) },
      session: view.current('grid.session.1', `${facts.id}/${bootId}`),
    });
    if (statements.length === 0) return this.#attend(session);
    const nowMs = this.#clock.monotonicMs();
    const text = JSON.stringify(statements);
    if (this.#isBusy || (text === this.#said && nowMs < this.#againMs)) return;
    this.#isBusy = true;
    this.#said = text;
    this.#againMs = nowMs + sayAgainMs;
    this.#saying = (async () => {
      try {
        for (const one of statements) await source.say(one, this.#closing.signal);
        this.#problem = '';
      } catch (error) {
        this.#failed(error);
      } finally {
        this.#isBusy = false;
        if (facts !== this.#facts && !this.#closing.signal.aborted) this.look();
      }
    })();
  }

  #failed(error: unknown): void {
    const { logger = silentLogger } = this.#options;
    this.#againMs = this.#clock.monotonicMs() + retryMs;
    const problem = isGridError(error) ? error.code : String(error);
    if (this.#closing.signal.aborted || problem === this.#problem) return;
    this.#problem = problem;
    logger.warn({ err: error }, 'the node cannot introduce itself');
  }

  #attend(session: NodeSession): void {
    const { n, bootId } = this.#attended ?? {};
    if (n === session.n && bootId === session.bootId) return;
    this.#attended = session;
    this.#options.source.attend(session);
  }
}
