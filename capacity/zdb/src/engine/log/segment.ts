import { type Files, openExisting } from '@commongrid/files';
import { SEGMENT_HEADER_BYTES } from './format.ts';
import { SegmentGone } from './segment-gone.ts';
import type { SegmentIndex } from './segment-index.ts';

/** What one namespace has in one segment. */
export interface Share {
  records: number;
  bytes: number;
  /** Records and bytes that are the newest of their key and a value. */
  liveRecords: number;
  liveBytes: number;
  /** Values, newest or not: while there are any, an older deletion elsewhere may still be needed. */
  values: number;
}

/** One file of the log. */
export class Segment {
  /** Number of the file; never reused. */
  readonly id: number;
  /** Small number that index slots hold; reused after the segment is gone. */
  readonly slot: number;
  readonly path: string;
  firstSequence: number;
  /** Last sequence in it; firstSequence - 1 while it is empty. */
  lastSequence: number;
  /** End of what was handed out for writing. */
  nextOffset = SEGMENT_HEADER_BYTES;
  /** End of what has been written to the file. */
  writtenOffset = 0;
  recordCount = 0;
  /** Nothing is added any more, all of it is on disk, and the index file is there. */
  isSealed = false;
  /** Written by a compaction that has not yet put it in the place of what it replaces. */
  isDetached = false;
  /** Others stand in its place; it is closed and removed once the manifest says so. */
  isReplaced = false;
  /** Takes no more records: compaction wants it. */
  isClosing = false;
  readonly shares = new Map<number, Share>();
  /** Entries of an unsealed segment. */
  index: SegmentIndex | undefined;

  #fd = -1;
  #readers = 0;
  #isRetired = false;
  readonly #files: Files;

  constructor(
    files: Files,
    options: { id: number; slot: number; path: string; firstSequence: number },
  ) {
    this.#files = files;
    this.id = options.id;
    this.slot = options.slot;
    this.path = options.path;
    this.firstSequence = options.firstSequence;
    this.lastSequence = options.firstSequence - 1;
  }

  get indexPath(): string {
    return `${this.path.slice(0, -'.log'.length)}.index`;
  }

  /** Descriptor for reads and writes. @throws SegmentGone */
  get fd(): number {
    if (this.#isRetired) throw new SegmentGone(this.path);
    if (this.#fd < 0) this.#fd = openExisting(this.#files, this.path);
    return this.#fd;
  }

  adopt(fd: number): void {
    this.#fd = fd;
  }

  share(namespaceId: number): Share {
    let share = this.shares.get(namespaceId);
    if (share === undefined) {
      share = { records: 0, bytes: 0, liveRecords: 0, liveBytes: 0, values: 0 };
      this.shares.set(namespaceId, share);
    }
    return share;
  }

  /** Keeps the descriptor open while an asynchronous read runs. @throws SegmentGone */
  hold(): number {
    if (this.#isRetired) throw new SegmentGone(this.path);
    this.#readers++;
    return this.fd;
  }

  /** It is gone: a compaction has put others in its place. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  release(): void {
    this.#readers--;
    if (this.#isRetired && this.#readers === 0) this.#closeNow();
  }

  /** Closes the descriptor once the last asynchronous read has ended. */
  close(): void {
    this.#isRetired = true;
    if (this.#readers === 0) this.#closeNow();
  }

  #closeNow(): void {
    if (this.#fd >= 0) this.#files.closeSync(this.#fd);
    this.#fd = -1;
  }
}
