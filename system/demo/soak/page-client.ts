import { delay } from '@commongrid/base';

import type { ArchiveScene } from '../archive/archive-scene.ts';
import { askPage } from '../archive/page-client.ts';
import type { ClientRequest } from './watch/watch-types.ts';

/** Between two questions, ms. */
const everyMs = 1_000;

/** Asks for the page of the archive at its door once a second, until it is disposed. */
export class PageClient implements AsyncDisposable {
  readonly #over = new AbortController();
  readonly #asking: Promise<void>;

  /** @param onRequest gets what came of each question */
  constructor(scene: ArchiveScene, onRequest: (request: ClientRequest) => void) {
    this.#asking = this.#run(scene, onRequest);
    // It is thrown by whoever ends it.
    this.#asking.catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#asking;
  }

  async #run(
    { town, page }: ArchiveScene,
    onRequest: (request: ClientRequest) => void,
  ): Promise<void> {
    const { signal } = this.#over;
    if (page === undefined) throw new Error('there is no page');
    while (!signal.aborted && !town.signal.aborted) {
      const startedMs = performance.now();
      const passed = (await askPage(town, page.door)) === page.text;
      onRequest({ kind: 'page', tookMs: performance.now() - startedMs, passed });
      await delay(everyMs, { signal }).catch(() => {});
    }
  }
}
