import type { ObjectId } from '../format/object-id.ts';

/** Chunks of one file, one behind the other. */
export interface ChunkSpan {
  readonly first: number;
  readonly count: number;
}

/** Files whose readers are followed; the one that was read longest ago makes room. */
const followedFilesMax = 256;

/** Chunks that were read in a row, 4 MiB, before the next ones are fetched unasked. */
const rowChunksMin = 8;

/** Chunks that are fetched ahead of a reader at first, 4 MiB. */
const firstWindowChunks = 8;

/** And at most, 16 MiB: each time it is twice as much. */
const windowChunksMax = 32;

interface Reader {
  /** Where it is expected next. */
  next: number;
  /** Chunks that it read in a row. */
  row: number;
  /** What was fetched ahead ends here. */
  aheadEnd: number;
  windowChunks: number;
  /**
   * What is fetched ahead: nothing yet, the first of it is under way, it came and could be kept, or
   * it could not.
   */
  ahead: 'untried' | 'trying' | 'going' | 'failed';
}

/**
 * Finds out who reads a file from front to back, by the reads of what is not here yet, and what to
 * fetch ahead of such a reader.
 */
export class ReadingOn {
  readonly #readers = new Map<ObjectId, Reader>();

  /** A read of these chunks came: which ones should follow, if any. */
  note(id: ObjectId, { first, count }: ChunkSpan): ChunkSpan | undefined {
    const end = first + count;
    const reader = this.#follow(id, first);
    reader.row += Math.max(0, end - reader.next);
    reader.next = Math.max(reader.next, end);
    const mayAsk = reader.ahead === 'untried' || reader.ahead === 'going';
    if (reader.row < rowChunksMin || !mayAsk) return undefined;
    const from = Math.max(reader.aheadEnd, end);
    // Half of it is left: enough to go on with while more is fetched.
    if (from - end > reader.windowChunks / 2) return undefined;
    if (reader.ahead === 'untried') reader.ahead = 'trying';
    reader.aheadEnd = end + reader.windowChunks;
    reader.windowChunks = Math.min(windowChunksMax, reader.windowChunks * 2);
    return { first: from, count: reader.aheadEnd - from };
  }

  /** What was fetched ahead is there: it may be more from now on. */
  goOn(id: ObjectId): void {
    const reader = this.#readers.get(id);
    if (reader?.ahead === 'trying') reader.ahead = 'going';
  }

  /** What was fetched ahead could not be had, or not be kept: this reader gets what it asks for. */
  stop(id: ObjectId): void {
    const reader = this.#readers.get(id);
    if (reader !== undefined) reader.ahead = 'failed';
  }

  /** The reader of a file; one that jumps is a new one. */
  #follow(id: ObjectId, first: number): Reader {
    const known = this.#readers.get(id);
    this.#readers.delete(id);
    // What was fetched ahead is read without a word, and what was read may be read again.
    const isOn =
      known !== undefined &&
      first + firstWindowChunks >= known.next &&
      first <= Math.max(known.next, known.aheadEnd);
    const reader = isOn ? known : newReader(first);
    this.#readers.set(id, reader);
    const [oldest] = this.#readers.keys();
    if (oldest !== undefined && this.#readers.size > followedFilesMax) this.#readers.delete(oldest);
    return reader;
  }
}

function newReader(first: number): Reader {
  return {
    ...{ next: first, row: 0, aheadEnd: 0 },
    ...{ windowChunks: firstWindowChunks, ahead: 'untried' },
  };
}
