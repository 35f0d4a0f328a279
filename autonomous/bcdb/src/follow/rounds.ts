import { repeat } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';

export interface RoundsOptions {
  /** One round. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** Whether no round can help any more. */
  readonly isHalted: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The rounds of a follower: one at a time, however many ask for it. */
export class Rounds {
  readonly #options: RoundsOptions;
  readonly #closing = new AbortController();
  #round: Promise<void> | undefined;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** The round that is under way, or a new one. */
  one(signal: AbortSignal = this.#closing.signal): Promise<void> {
    this.#round ??= this.#options.run(signal).finally(() => (this.#round = undefined));
    return this.#round;
  }

  /** Rounds without end; resolves when the follower halts or the signal fires. */
  async follow(signal: AbortSignal, everyMs: number): Promise<void> {
    const { isHalted, clock, logger } = this.#options;
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal, this.#closing.signal]);
    const round = async (): Promise<void> => {
      try {
        await this.one(either);
      } catch (error) {
        if (!either.aborted) logger.warn({ err: error }, 'the log cannot be followed now');
      }
      if (isHalted()) stop.abort();
    };
    await repeat(everyMs, round, { signal: either, clock });
  }

  /** Ends the round that is under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    // Whoever asked for the round hears that it failed.
    await this.#round?.catch(() => undefined);
  }
}
