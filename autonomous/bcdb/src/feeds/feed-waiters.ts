/** Readers who wait at one time; to the next ones nothing is worth waiting for. */
export const feedWaitersMax = 2048;

/** Readers who are woken at once; others have a turn ahead of the next ones. */
const wokenAtOnce = 16;

interface Waiter {
  readonly isDue: () => boolean;
  readonly wake: () => void;
}

/** Readers who wait until there is something to say to them. They are woken few by few. */
export class FeedWaiters {
  readonly #waiting = new Set<Waiter>();
  readonly #due: Waiter[] = [];

  get count(): number {
    return this.#waiting.size;
  }

  /** Resolves when `look` finds that it is due, when the signal fires, or at once when too many wait. */
  async until(isDue: () => boolean, signal: AbortSignal): Promise<void> {
    if (signal.aborted || isDue() || this.#waiting.size >= feedWaitersMax) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const waiter: Waiter = { isDue, wake: () => resolve(undefined) };
    this.#waiting.add(waiter);
    signal.addEventListener('abort', waiter.wake, { once: true });
    await promise;
    signal.removeEventListener('abort', waiter.wake);
    this.#waiting.delete(waiter);
  }

  /** Wakes those for whom it is due now. */
  look(): void {
    const isWaking = this.#due.length > 0;
    for (const waiter of this.#waiting) {
      if (!waiter.isDue()) continue;
      this.#waiting.delete(waiter);
      this.#due.push(waiter);
    }
    if (!isWaking) this.#wakeSome();
  }

  #wakeSome(): void {
    for (const { wake } of this.#due.splice(0, wokenAtOnce)) wake();
    if (this.#due.length > 0) setImmediate(() => this.#wakeSome());
  }
}
