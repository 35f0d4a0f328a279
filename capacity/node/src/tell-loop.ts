import { closeOnce, delay } from '@commongrid/base';
import type { Clock } from '@commongrid/base';

export interface TellLoopOptions {
  /**
   * Tells what there is.
   * @returns after how long it looks again, ms: 0 at once, Infinity when it is poked
   */
  readonly tell: (signal: AbortSignal) => Promise<number>;
  /** @param isFirst since something was told last */
  readonly onFailure: (error: unknown, isFirst: boolean) => void;
  readonly clock: Clock;
}

/** Pause after a failure, ms; it doubles up to the longest. */
const pauseFirstMs = 500;
const pauseMaxMs = 30_000;

/** Tells somebody who may be away what there is to tell, in rounds, however long that takes. */
export class TellLoop {
  readonly close: () => Promise<void>;
  readonly #options: TellLoopOptions;
  #fresh = Promise.withResolvers<void>();

  constructor(options: TellLoopOptions) {
    this.#options = options;
    const closing = new AbortController();
    const running = this.#run(closing.signal);
    this.close = closeOnce(async () => {
      closing.abort();
      this.poke();
      await running;
    });
  }

  /** There may be something to tell. */
  poke(): void {
    this.#fresh.resolve();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { tell, onFailure, clock } = this.#options;
    let pauseMs = pauseFirstMs;
    while (!signal.aborted) {
      this.#fresh = Promise.withResolvers();
      try {
        const againMs = await tell(signal);
        pauseMs = pauseFirstMs;
        await this.#rest(againMs, signal);
      } catch (error) {
        if (signal.aborted) return;
        onFailure(error, pauseMs === pauseFirstMs);
        await delay(pauseMs, { signal, clock }).catch(() => {});
        pauseMs = Math.min(pauseMaxMs, 2 * pauseMs);
      }
    }
  }

  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    if (ms === 0) return;
    if (ms === Infinity) return this.#fresh.promise;
    const over = new AbortController();
    const pause = delay(ms, {
      clock: this.#options.clock,
      signal: AbortSignal.any([signal, over.signal]),
    });
    await Promise.race([this.#fresh.promise, pause.catch(() => {})]);
    over.abort();
  }
}
