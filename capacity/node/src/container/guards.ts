import type { GuardLimit } from '../sys/guard.ts';
import type { ContainerRuntime } from './container-runtime.ts';

/** Sees to it that each single writer that runs has its guard, which something may kill. */
export class Guards {
  readonly #runtime: Pick<ContainerRuntime, 'guard' | 'isGuarded'>;
  readonly #limits = new Map<string, GuardLimit>();
  /** Of those that are being started again. */
  readonly #busy = new Set<string>();

  constructor(runtime: Pick<ContainerRuntime, 'guard' | 'isGuarded'>) {
    this.#runtime = runtime;
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
  }

  /** Starts again what is missing. Nothing waits for that: what fails is tried at the next look. */
  look(): void {
    for (const [key, limit] of this.#limits) {
      if (this.#busy.has(key) || this.#runtime.isGuarded(key)) continue;
      this.#busy.add(key);
      const begun = this.#runtime.guard(key, limit).catch(() => {});
      void begun.finally(() => this.#busy.delete(key));
    }
  }
}
