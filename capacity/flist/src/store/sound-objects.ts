import type { FlistDigest } from '../format/flist.ts';

/** Objects of all flists whose files are remembered, 52 bytes each. */
const soundObjectsMax = 262_144;

/**
 * The words of a `struct statx` that change with a file: mode, inode, size, ctime, mtime, device.
 * linux/stat.h.
 */
const stampedWords = [7, 8, 9, 10, 11, 24, 25, 26, 28, 29, 30, 34, 35] as const;

/**
 * The files of one flist, by their place in it: what `systemCalls().stat` said of each when it was
 * last known to be sound.
 */
export class SoundObjects {
  readonly #stamps: Uint32Array;

  constructor(count: number) {
    this.#stamps = new Uint32Array(count * stampedWords.length);
  }

  get count(): number {
    return this.#stamps.length / stampedWords.length;
  }

  /** Whether a file is as it was when it was noted. */
  has(place: number, found: Uint32Array): boolean {
    const first = place * stampedWords.length;
    return stampedWords.every((word, index) => found[word] === this.#stamps[first + index]);
  }

  /** Notes that a file is sound as it was when it was looked at. */
  note(place: number, found: Uint32Array): void {
    const stamp = stampedWords.map((word) => found[word] ?? 0);
    this.#stamps.set(stamp, place * stampedWords.length);
  }
}

/** `SoundObjects` of the flists that were verified last. */
export class SoundFlists {
  /** The longest unused first. */
  readonly #flists = new Map<FlistDigest, SoundObjects>();
  #objects = 0;

  /** Of an flist with so many objects, always in the same order. */
  of(digest: FlistDigest, count: number): SoundObjects {
    const known = this.#flists.get(digest);
    const objects = known ?? new SoundObjects(count);
    if (known === undefined) this.#objects += count;
    this.#flists.delete(digest);
    this.#flists.set(digest, objects);
    for (const [oldest, { count: freed }] of this.#flists) {
      if (this.#objects <= soundObjectsMax) break;
      this.#flists.delete(oldest);
      this.#objects -= freed;
    }
    return objects;
  }
}
