import { Mutex } from '@commongrid/base';
import type { Bot } from '@commongrid/threebot';

import { BotRound } from './bot-round.ts';
import type { RoundOptions } from './bot-round.ts';

/** A bot of one process, which begins anew when its folder has another key. */
export class BotRounds implements AsyncDisposable {
  /** Rejects when the bot cannot go on. */
  readonly failed: Promise<never>;
  readonly #options: RoundOptions;
  readonly #fail: (reason: unknown) => void;
  readonly #turn = new Mutex();
  #round: BotRound | undefined;

  private constructor(options: RoundOptions) {
    this.#options = options;
    const { promise, reject } = Promise.withResolvers<never>();
    // Whoever waits for it hears of it.
    promise.catch(() => {});
    [this.failed, this.#fail] = [promise, reject];
  }

  /** @throws see `BotRound.open` */
  static async open(options: RoundOptions): Promise<BotRounds> {
    const rounds = new BotRounds(options);
    await rounds.#begin();
    return rounds;
  }

  /** The present one: after the one that is about to begin. */
  now(): Promise<BotRound> {
    return this.#turn.run(async () => this.#round ?? this.failed);
  }

  async bot(): Promise<Bot> {
    return (await this.now()).bot;
  }

  /** Ends what runs by the former key, and begins with the one that the folder has now. */
  async again(): Promise<void> {
    await this.#turn.run(async () => {
      const former = this.#round;
      this.#round = undefined;
      try {
        await former?.[Symbol.asyncDispose]();
        await this.#begin();
      } catch (error) {
        this.#fail(error);
        throw error;
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn.run(async () => {
      await this.#round?.[Symbol.asyncDispose]();
    });
  }

  async #begin(): Promise<void> {
    const round = await BotRound.open(this.#options);
    round.service.failed.catch((error: unknown) => this.#fail(error));
    this.#round = round;
  }
}
