import { closeOnce, delay, repeat, silentLogger, systemClock } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { GridNow } from '@commongrid/bcdb/client';
import type { BotId } from '@commongrid/model';
import { blockedFindings } from './blocked-findings.ts';
import type { BlockedContract } from './blocked-findings.ts';
import { moneyFindings } from './money-findings.ts';
import { moveFindings } from './move-findings.ts';
import type { NoticeBook } from './notice-book.ts';
import { Patience } from './patience.ts';
import { wordFindings } from './word-findings.ts';

export interface NoticeKeeperOptions {
  readonly bot: BotId;
  readonly book: NoticeBook;
  /** The bot's own feed. */
  readonly grid: {
    now(options: { readonly signal?: AbortSignal }): Promise<GridNow>;
    /** Gives whenever the bot was told something, until the signal fires. */
    news(signal: AbortSignal): AsyncIterable<unknown>;
  };
  /** What its controller waits for, as far as that is known. */
  readonly blocked: () => readonly BlockedContract[];
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** Pause between two looks, ms: news come in handfuls. */
const restMs = 1_000;
/** Pause after a failure, ms; it doubles up to the longest. */
const pauseFirstMs = 1_000;
const pauseMaxMs = 60_000;
/** Longest time without a look, ms: timers of more than 24 days fire at once. */
const quietMsMax = 86_400_000;

/**
 * Writes down what the owner of a bot should know, once there is news in its feed or its controller waits
 * for something else, and when time alone makes something due. What holds no more is over by the next look.
 */
export class NoticeKeeper implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #options: NoticeKeeperOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #patience = new Patience();
  #poked = Promise.withResolvers<void>();

  constructor(options: NoticeKeeperOptions) {
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

  /** Looks again soon: something changed that is in no feed. */
  look(): void {
    this.#poked.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      this.#poked = Promise.withResolvers();
      let quietMs: number;
      try {
        quietMs = await this.#look(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.warn({ err: error }, 'what the owner should know is looked at later');
        quietMs = Math.min(pauseMaxMs, pauseFirstMs * 2 ** failures++);
      }
      await this.#pause(restMs, signal);
      const over = new AbortController();
      const late = this.#pause(
        Math.min(quietMsMax, Math.max(0, quietMs - restMs)),
        AbortSignal.any([signal, over.signal]),
      );
      await Promise.race([this.#poked.promise, late]);
      over.abort();
    }
  }

  /** @returns how long nothing is due unless there is news, ms */
  async #look(signal: AbortSignal): Promise<number> {
    const { bot, book, grid, blocked } = this.#options;
    const { fold, at } = await grid.now({ signal });
    const view = { bot, fold, at };
    const [money, words] = [moneyFindings(view), wordFindings(view)];
    const holding = [...money.findings, ...words.findings, ...blockedFindings(view, blocked())];
    const { due, over, waitMs } = this.#patience.judge(
      holding,
      book.open(),
      this.#clock.monotonicMs(),
    );
    const { told, findings } = moveFindings(view, book.told());
    const happened = book.hasBegun ? findings : [];
    book.note({ due, over, happened, told, nowMs: this.#clock.nowMs() });
    const laterMs = [money.againMs, words.againMs].map((ms) => (ms ?? Infinity) - at);
    return Math.min(waitMs, ...laterMs);
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const onError = (error: unknown): void => {
      this.#logger.warn({ err: error }, 'news come later');
    };
    const listen = async (): Promise<void> => {
      for await (const _one of this.#options.grid.news(signal)) this.look();
    };
    await repeat(pauseFirstMs, listen, { signal, clock: this.#clock, onError });
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await delay(ms, { signal, clock: this.#clock }).catch(() => {});
  }
}
