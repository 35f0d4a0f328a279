import { abortError } from '@commongrid/base';

interface Waiter {
  readonly size: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** A size that grows, and those who wait for it to reach something. */
export class SizeWaiters {
  readonly #waiters = new Set<Waiter>();
  #size = 0;
  #failure: Error | undefined;

  get size(): number {
    return this.#size;
  }

  /** Why it will not grow any more. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** @throws BASE_ABORTED, and the failure */
  waitFor(size: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (size <= this.#size) {
        resolve();
        return;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (signal?.aborted === true) throw abortError(signal);
      const end = (): void => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        size,
        resolve: () => {
          end();
          resolve();
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
      const onAbort = (): void => {
        if (signal !== undefined) waiter.reject(abortError(signal));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  advance(size: number): void {
    if (size > this.#size) this.reset(size);
  }

  /** Sets the size, also to a smaller one. */
  reset(size: number): void {
    this.#size = size;
    for (const waiter of this.#waiters) if (waiter.size <= size) waiter.resolve();
  }

  fail(error: Error): void {
    this.#failure ??= error;
    for (const waiter of this.#waiters) waiter.reject(error);
  }
}
