import { abortError } from '@commongrid/base';

export interface FairGateOptions {
  /** Who is inside at a time, of all and of one tenant. */
  readonly insideMax: number;
  readonly insideOfOneMax: number;
}

interface Waiter {
  readonly tenant: string;
  enter(): void;
}

/**
 * Bounds what goes on at a time, and how much of it is one tenant's: who has much to do waits for
 * himself. Of those who may enter, the one who came first does.
 */
export class FairGate {
  readonly #options: FairGateOptions;
  readonly #inside = new Map<string, number>();
  #count = 0;
  #waiting: Waiter[] = [];

  constructor(options: FairGateOptions) {
    this.#options = options;
  }

  /** Waits for a place. @returns gives it back; idempotent @throws BASE_ABORTED */
  enter(tenant: string, signal: AbortSignal): Promise<() => void> {
    const { promise, resolve, reject } = Promise.withResolvers<() => void>();
    const onAbort = (): void => {
      this.#waiting = this.#waiting.filter((one) => one !== waiter);
      reject(abortError(signal));
    };
    const waiter: Waiter = {
      tenant,
      enter: () => {
        signal.removeEventListener('abort', onAbort);
        resolve(this.#take(tenant));
      },
    };
    if (signal.aborted) onAbort();
    else {
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiter);
      this.#admit();
    }
    return promise;
  }

  #take(tenant: string): () => void {
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      this.#count--;
      const rest = (this.#inside.get(tenant) ?? 1) - 1;
      if (rest === 0) this.#inside.delete(tenant);
      else this.#inside.set(tenant, rest);
      this.#admit();
    };
  }

  #admit(): void {
    const { insideMax, insideOfOneMax } = this.#options;
    const staying: Waiter[] = [];
    for (const waiter of this.#waiting) {
      const ofTenant = this.#inside.get(waiter.tenant) ?? 0;
      if (this.#count >= insideMax || ofTenant >= insideOfOneMax) staying.push(waiter);
      else {
        this.#count++;
        this.#inside.set(waiter.tenant, ofTenant + 1);
        waiter.enter();
      }
    }
    this.#waiting = staying;
  }
}
