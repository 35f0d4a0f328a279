import { delay } from '@commongrid/base';
import type { ContractId } from '@commongrid/model';

import type { DemoTown } from '../demo-town.ts';
import { askPage, pageNode } from './page-client.ts';

/** Between two questions, ms. */
const everyMs = 100;

/**
 * Asks a page again and again, as a client does that tries each machine that may have it: the former version's, then
 * the next one's. It ends when it is disposed.
 */
export class PageWatch implements AsyncDisposable {
  /** What it said, by how often. */
  readonly texts = new Map<string, number>();
  /** Questions that no machine answered. */
  silent = 0;
  readonly #town: DemoTown;
  readonly #versions: readonly ContractId[];
  readonly #over = new AbortController();
  readonly #asking: Promise<void>;

  /** @param versions of the page, the one that runs first */
  constructor(town: DemoTown, versions: readonly ContractId[]) {
    this.#town = town;
    this.#versions = versions;
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
    for (const version of this.#versions) {
      const node = await pageNode(this.#town, version);
      const text = node === undefined ? undefined : await askPage(this.#town, node);
      if (text !== undefined) return text;
    }
    return undefined;
  }
}
