import { isGridError } from '@commongrid/base';

import type { WatchFindings } from './watch-types.ts';

/** Which promises were held, how often, and which were not kept. */
export class PromiseBook {
  readonly #kept = new Map<string, { checks: number; figure: string }>();
  readonly #broken: string[] = [];
  #failure: { readonly error: unknown } | undefined;

  /**
   * Holds a promise once.
   * @param work throws when it is not kept; gives a figure for people
   */
  async hold(name: string, work: () => Promise<string> | string): Promise<void> {
    const figure = await work();
    this.#kept.set(name, { checks: this.checksOf(name) + 1, figure });
  }

  /** How often a promise was held. */
  checksOf(name: string): number {
    return this.#kept.get(name)?.checks ?? 0;
  }

  /** Notes what was found broken where nobody waits for it: `requireWhole` throws it from then on. */
  fails(error: unknown): void {
    this.#failure ??= { error };
  }

  /** @throws what was noted */
  requireWhole(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Does something, and notes why it fails in place of throwing that. @throws BASE_ABORTED */
  async attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (isGridError(error, 'BASE_ABORTED')) throw error;
      const text = isGridError(error) ? `${error.code}: ${error.message}` : messageOf(error);
      if (!this.#broken.includes(text)) this.#broken.push(text);
    }
  }

  get broken(): readonly string[] {
    return this.#broken;
  }

  get promises(): WatchFindings['promises'] {
    return [...this.#kept].map(([name, { checks, figure }]) => ({ name, checks, figure }));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
