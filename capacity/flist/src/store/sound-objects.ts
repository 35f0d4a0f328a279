import type { FlistDigest } from '../format/flist.ts';
import type { ObjectId } from '../format/object-id.ts';
import { systemCalls } from '../sys/system-calls.ts';
import type { Stater } from '../sys/system-calls.ts';
import { fannedPath } from './fanned-folder.ts';

/** Objects of all flists whose files are remembered, 130 bytes each. */
const soundObjectsMax = 262_144;

/**
 * The words of a `struct statx` that change with a file: mode, inode, size, ctime, mtime, device.
 * linux/stat.h.
 */
const stampedWords = [7, 8, 9, 10, 11, 24, 25, 26, 28, 29, 30, 34, 35] as const;

/** `ab/ab01...` and a zero byte. */
const pathBytes = 3 + 64 + 1;

/**
 * The files of one flist's objects: what statx(2) said of each when it was last known to be sound.
 * For 10,000 files the question whether all are as they were takes 25 ms, nearly all in the kernel.
 */
export class SoundObjects {
  /** Their order, by which the others are numbered. Neighbours on disk are asked for in turn. */
  readonly ids: readonly ObjectId[];
  readonly #stat: Stater | undefined;
  readonly #stamps: Uint32Array;

  constructor(ids: Iterable<ObjectId>, calls = systemCalls()) {
    const all = [...ids];
    // Of more nothing is remembered: the ledger is asked for each.
    const count = all.length > soundObjectsMax ? 0 : all.length;
    this.ids = count === 0 ? all : all.toSorted();
    this.#stamps = new Uint32Array(count * stampedWords.length);
    const bytes = new ArrayBuffer(count * pathBytes);
    const paths = Buffer.from(bytes);
    for (let place = 0; place < count; place++) {
      const path = fannedPath('', this.ids[place] ?? '').slice(1);
      paths.write(path, place * pathBytes, 'latin1');
    }
    this.#stat = count === 0 ? undefined : calls?.stater({ bytes, pathBytes });
  }

  /** @param folder the open folder of all whole objects */
  look(folder: number, place: number): Uint32Array | undefined {
    return this.#stat?.(folder, place);
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

  /** @param idsOf all objects of the flist */
  of(digest: FlistDigest, idsOf: () => Iterable<ObjectId>): SoundObjects {
    const known = this.#flists.get(digest);
    const objects = known ?? new SoundObjects(idsOf());
    if (objects.ids.length > soundObjectsMax) return objects;
    if (known === undefined) this.#objects += objects.ids.length;
    this.#flists.delete(digest);
    this.#flists.set(digest, objects);
    for (const [oldest, { ids }] of this.#flists) {
      if (this.#objects <= soundObjectsMax) break;
      this.#flists.delete(oldest);
      this.#objects -= ids.length;
    }
    return objects;
  }
}
