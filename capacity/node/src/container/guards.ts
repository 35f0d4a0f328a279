import { silentLogger } from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import type { GuardLimit } from '../sys/guard.ts';
import type { ContainerRuntime } from './container-runtime.ts';

/** Sees to it that each single writer that runs has its guard, which something may kill. */
export class Guards {
  readonly #runtime: Pick<ContainerRuntime, 'guard' | 'isGuarded'>;
  readonly #logger: Logger;
  readonly #limits = new Map<string, GuardLimit>();
  /** Of those that are being started again. */
  readonly #busy = new Set<string>();
  /** Of those that could not be started again, which was said. */
  readonly #failing = new Set<string>();

  constructor(
    runtime: Pick<ContainerRuntime, 'guard' | 'isGuarded'>,
    logger: Logger = silentLogger,
  ) {
    this.#runtime = runtime;
    this.#logger = logger;
  }

  /** A container runs. @param limit of a single writer */
  async attend(key: string, limit: GuardLimit | undefined): Promise<void> {
    this.forget(key);
    if (limit === undefined) return;
    await this.#runtime.guard(key, limit);
    this.#limits.set(key, limit);
  }

  /** It is to end, or did. */
  forget(key: string): void {
    this.#limits.delete(key);
    this.#failing.delete(key);
  }

  /** Starts again what is missing. Nothing waits for that: what fails is said, and tried at the next look. */
  look(): void {
    for (const [key, limit] of this.#limits) {
      if (this.#busy.has(key) || this.#runtime.isGuarded(key)) continue;
      this.#busy.add(key);
      void this.#guard(key, limit).finally(() => this.#busy.delete(key));
    }
  }

  async #guard(key: string, limit: GuardLimit): Promise<void> {
    try {
      const isRunning = await this.#runtime.guard(key, limit);
      this.#failing.delete(key);
      // Another run of it may be attended to by now.
      if (!isRunning && this.#limits.get(key) === limit) this.forget(key);
    } catch (err) {
      if (this.#failing.has(key)) return;
      this.#failing.add(key);
      this.#logger.warn({ err, key }, 'nothing watches over a single writer: it is tried again');
    }
  }
}
