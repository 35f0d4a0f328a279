import type { StoredEntry } from '../log-engine.ts';

/** Most frames that are kept decoded for single reads. */
export const cachedFramesMax = 64;
/** Most bytes of leaves and bodies in them. */
export const cachedBytesMax = 8 * 1024 * 1024;

interface CachedFrame {
  readonly first: number;
  readonly entries: readonly StoredEntry[];
  readonly bytes: number;
}

/** The frames that were read last. */
export class FrameCache {
  /** The one used last at the end. */
  #frames: CachedFrame[] = [];
  #bytes = 0;

  /** The entries of the frame that holds a sequence. */
  find(sequence: number): readonly StoredEntry[] | undefined {
    const at = this.#frames.findLastIndex(
      ({ first, entries }) => first <= sequence && sequence < first + entries.length,
    );
    const [found] = at < 0 ? [] : this.#frames.splice(at, 1);
    if (found === undefined) return undefined;
    this.#frames.push(found);
    return found.entries;
  }

  add(first: number, entries: readonly StoredEntry[], bytes: number): void {
    if (bytes > cachedBytesMax) return;
    this.#frames.push({ first, entries, bytes });
    this.#bytes += bytes;
    while (this.#frames.length > cachedFramesMax || this.#bytes > cachedBytesMax) {
      this.#bytes -= this.#frames.shift()?.bytes ?? 0;
    }
  }

  clear(): void {
    this.#frames = [];
    this.#bytes = 0;
  }
}
