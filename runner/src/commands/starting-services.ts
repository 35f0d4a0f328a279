import { repeat } from '@commongrid/base';

import type { GridHome } from '../home.ts';
import { nameRanges } from '../service-ranges.ts';
import { loadState } from '../supervisor/grid-state.ts';

/** Between two looks at what starts, ms. */
const lookEveryMs = 500;

/** Says which services of a grid start at the moment. */
export class StartingServices implements AsyncDisposable {
  #text = 'starting the grid';
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  private constructor(home: GridHome) {
    const look = async (): Promise<void> => {
      const services = Object.entries((await loadState(home))?.services ?? {});
      const names = services.flatMap(([name, { phase }]) => (phase === 'starting' ? [name] : []));
      if (names.length > 0) this.#text = `starting ${nameRanges(names)}`;
    };
    this.#done = repeat(lookEveryMs, look, { signal: this.#stop.signal });
  }

  static watch(home: GridHome): StartingServices {
    return new StartingServices(home);
  }

  get text(): string {
    return this.#text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}
