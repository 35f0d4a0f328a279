import { delay } from '@commongrid/base';
import type { Clock } from '@commongrid/base';

/** A round under way. */
export interface Round {
  /** Ends the round. */
  readonly signal: AbortSignal;
  /** How long the source may hold back its answer while it has no news, ms. */
  readonly waitMs: number;
  /** Fires when somebody wants to know what there is now: nothing is waited for any more. */
  readonly hurry: AbortSignal;
}

export interface RoundsOptions {
  /** Gives whether the next round may follow at once: the source cannot have that go on for ever. */
  readonly run: (round: Round) => Promise<boolean>;
  readonly clock: Clock;
}

export interface RoundOptions {
  readonly signal?: AbortSignal | undefined;
  readonly waitMs?: number;
}

export interface PaceOptions {
  readonly signal: AbortSignal;
  /** Least time from one round to the next that may not follow at once, ms. */
  readonly everyMs: number;
  /** As of a round. Default 0. */
  readonly waitMs?: number;
}

/** The rounds of a follower: one at a time, however many ask for it. */
export class Rounds {
  readonly #options: RoundsOptions;
  readonly #closing = new AbortController();
  #current: { readonly done: Promise<boolean>; readonly hurry: AbortController } | undefined;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** The round that is under way, or a new one; gives whether the next may follow at once. */
  one({ signal, waitMs = 0 }: RoundOptions = {}): Promise<boolean> {
    const current = (this.#current ??= this.#begin(signal, waitMs));
    if (waitMs === 0) current.hurry.abort();
    return current.done;
  }

  /**
   * Round after round until the signal fires, each as soon as the one before lets it. Gives of each why
   * it failed, undefined when it did not.
   */
  async *each({
    signal,
    everyMs,
    waitMs = 0,
  }: PaceOptions): AsyncGenerator<Error | undefined, void> {
    const { clock } = this.#options;
    const either = AbortSignal.any([signal, this.#closing.signal]);
    while (!either.aborted) {
      const startedMs = clock.monotonicMs();
      let mayFollow = false;
      let failure: Error | undefined;
      try {
        mayFollow = await this.one({ signal: either, waitMs });
      } catch (error) {
        if (either.aborted) return;
        failure = error instanceof Error ? error : new Error(String(error));
      }
      yield failure;
      const restMs = mayFollow ? 0 : startedMs + everyMs - clock.monotonicMs();
      if (restMs > 0) await delay(restMs, { signal: either, clock }).catch(() => undefined);
    }
  }

  /** Ends the round that is under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    // Whoever asked for the round hears that it failed.
    await this.#current?.done.catch(() => undefined);
  }

  #begin(signal: AbortSignal | undefined, waitMs: number) {
    const { signal: closing } = this.#closing;
    const hurry = new AbortController();
    const either = signal === undefined ? closing : AbortSignal.any([signal, closing]);
    const round = { signal: either, waitMs, hurry: hurry.signal };
    const done = this.#options.run(round).finally(() => (this.#current = undefined));
    return { done, hurry };
  }
}
