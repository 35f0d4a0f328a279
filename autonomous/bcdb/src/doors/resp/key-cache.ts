import { parseKey } from './key.ts';
import type { Key } from './key.ts';

/** Keys that are remembered; beyond it all are forgotten. */
const knownKeysMax = 10_000;

/** Keys that were parsed: clients use few, over and over. */
export class KeyCache {
  readonly #known = new Map<string, Key>();

  /** What a text names; undefined when that is nothing. */
  get(text: string): Key | undefined {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const key = parseKey(text);
    // Keys of single objects are as many as the objects.
    if (key === undefined || key.kind === 'object') return key;
    if (this.#known.size >= knownKeysMax) this.#known.clear();
    this.#known.set(text, key);
    return key;
  }
}
