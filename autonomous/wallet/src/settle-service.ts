import { closeOnce, delay, repeat, silentLogger, systemClock } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { Duty } from './duties.ts';
import type { Wallet } from './wallet.ts';

export interface SettleServiceOptions {
  readonly wallet: Pick<Wallet, 'settle'>;
  /** Gives whenever the bot was told something, until the signal fires: `LogRail.news`. */
  readonly news: (signal: AbortSignal) => AsyncIterable<unknown>;
  /** How often it looks where nothing is told, ms: time alone makes things due; default: a minute. */
  readonly everyMs?: number;
  /** Gets what was asked for: pay of a farmer, what is left for a buyer. */
  readonly onSettled?: (done: readonly Duty[]) => void;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** How the service is. */
export interface SettleStatus {
  /** When it last did all that was due, by the wall clock, ms since 1970. */
  readonly settledAtMs: number | undefined;
  /** What it asked for since it was opened. */
  readonly settledCount: number;
  /** Why it did not come through the last time. */
  readonly problem: unknown;
}

const everyMsDefault = 60_000;
/** Pause between two looks, ms: news come in handfuls. */
const restMs = 1_000;
/** Pause after a failure, ms; it doubles up to the longest. */
const pauseFirstMs = 1_000;
const pauseMaxMs = 300_000;

/**
 * Asks for what is due to a bot, again and again: once there is news, and once a minute. It keeps nothing:
 * whoever is killed, and whoever runs beside another, asks the log what was done before.
 */
export class SettleService implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #options: SettleServiceOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #poked = Promise.withResolvers<void>();
  #status: SettleStatus = { settledAtMs: undefined, settledCount: 0, problem: undefined };

  constructor(options: SettleServiceOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    const closing = new AbortController();
    const loops = [this.#run(closing.signal), this.#listen(closing.signal)];
    this.close = closeOnce(async () => {
      closing.abort();
      this.#poked.resolve();
      await Promise.all(loops);
    });
  }

  get status(): SettleStatus {
    return this.#status;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    let pauseMs = pauseFirstMs;
    while (!signal.aborted) {
      this.#poked = Promise.withResolvers();
      const isDone = await this.#settle(signal);
      if (!isDone) {
        await this.#pause(pauseMs, signal);
        pauseMs = Math.min(pauseMaxMs, 2 * pauseMs);
        continue;
      }
      pauseMs = pauseFirstMs;
      await this.#pause(restMs, signal);
      await this.#untilPoked(this.#options.everyMs ?? everyMsDefault, signal);
    }
  }

  async #settle(signal: AbortSignal): Promise<boolean> {
    const { wallet, onSettled } = this.#options;
    try {
      const done = await wallet.settle({ signal });
      const { settledCount } = this.#status;
      this.#status = {
        ...{ settledAtMs: this.#clock.nowMs(), problem: undefined },
        settledCount: settledCount + done.length,
      };
      if (done.length > 0) {
        this.#logger.info({ done }, 'money was asked for');
        onSettled?.(done);
      }
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      this.#status = { ...this.#status, problem: error };
      this.#logger.warn({ err: error }, 'what is due is asked for again later');
      return false;
    }
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const onError = (error: unknown): void => {
      this.#logger.warn({ err: error }, 'news come later');
    };
    const listen = async (): Promise<void> => {
      for await (const _one of this.#options.news(signal)) this.#poked.resolve();
    };
    await repeat(pauseFirstMs, listen, { signal, clock: this.#clock, onError });
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await delay(ms, { signal, clock: this.#clock }).catch(() => {});
  }

  async #untilPoked(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const late = this.#pause(ms, AbortSignal.any([signal, over.signal]));
    await Promise.race([this.#poked.promise, late]);
    over.abort();
  }
}
