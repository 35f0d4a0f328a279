import { traceRangesMax } from '../format/flist.ts';
import { objectIdOf } from '../format/object-id.ts';
import type { ObjectId } from '../format/object-id.ts';
import type { RegularFile } from '../tree/inode.ts';
import type { TracedRead } from './worker-messages.ts';

/** What is read of an image, each chunk once, in the order in which it was first asked for. */
export class ReadTrace {
  readonly #reads: { file: number; firstChunk: number; chunkCount: number }[] = [];
  /** The first file of each content, by its place. */
  readonly #files = new Map<ObjectId, number>();
  readonly #seen = new Set<string>();

  constructor(files: readonly RegularFile[]) {
    for (const [place, file] of files.entries()) {
      const id = objectIdOf(file);
      if (!this.#files.has(id)) this.#files.set(id, place);
    }
  }

  get reads(): readonly TracedRead[] {
    return this.#reads;
  }

  /** Beyond as many ranges as an flist may have it notes no more: a start is shorter. */
  note(id: ObjectId, firstChunk: number, lastChunk: number): void {
    const file = this.#files.get(id);
    if (file === undefined) return;
    for (let chunk = firstChunk; chunk <= lastChunk; chunk += 1) {
      const key = `${file} ${chunk}`;
      if (this.#seen.has(key)) continue;
      const last = this.#reads.at(-1);
      const isNext = last?.file === file && last.firstChunk + last.chunkCount === chunk;
      if (!isNext && this.#reads.length >= traceRangesMax) return;
      this.#seen.add(key);
      if (isNext) last.chunkCount += 1;
      else this.#reads.push({ file, firstChunk: chunk, chunkCount: 1 });
    }
  }
}
