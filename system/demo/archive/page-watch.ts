import { delay } from '@commongrid/base';

import type { DemoTown } from '../demo-town.ts';
import { askPage } from './page-client.ts';

/** Between two questions, ms. */
const everyMs = 100;

/** Tries of one question: what ends in the middle of an answer is asked again, as clients do. */
const tries = 3;

/** Asks a page at its door again and again, until it is disposed. */
export class PageWatch implements AsyncDisposable {
  /** What it said, by how often. */
  readonly texts = new Map<string, number>();
  /** Questions that were not answered, after all tries. */
  silent = 0;
  readonly #town: DemoTown;
  readonly #door: string;
  readonly #over = new AbortController();
  readonly #asking: Promise<void>;

  constructor(town: DemoTown, door: string) {
    this.#town = town;
    this.#door = door;
    this.#asking = this.#run();
    // It is thrown by whoever ends it.
    this.#asking.catch(() => {});
  }

  /** How often it was answered. */
  get answered(): number {
    return this.texts.values().reduce((sum, count) => sum + count, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#asking;
  }

  async #run(): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted && !this.#town.signal.aborted) {
      const text = await this.#ask();
      if (text === undefined) this.silent++;
      else this.texts.set(text, (this.texts.get(text) ?? 0) + 1);
      await delay(everyMs, { signal }).catch(() => {});
    }
  }

  async #ask(): Promise<string | undefined> {
    for (let count = 0; count < tries; count++) {
      const text = await askPage(this.#town, this.#door);
      if (text !== undefined) return text;
    }
    return undefined;
  }
}
