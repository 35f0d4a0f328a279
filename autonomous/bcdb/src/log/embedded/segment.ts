import { join } from 'node:path';
import type { Files } from '@commongrid/files';
import { FrameWalker } from './frame-walker.ts';
import { readSeal } from './seal.ts';
import { SparseIndex } from './sparse-index.ts';

/** A segment file that is open. */
export interface OpenSegment {
  readonly fd: number;
  readonly index: SparseIndex;
}

/** One file of the log: the entries from `first` up to the first of the next segment. */
export class Segment {
  readonly path: string;
  readonly first: number;
  /** Sequence after its last entry on disk; what is not yet acknowledged included. */
  end: number;
  /** Written so far; frames end here. */
  bytes: number;
  open: OpenSegment | undefined;
  /** It is finished and ends in its index, which can be read again whenever it is needed. */
  isSealed: boolean;
  /** Readers that are in it. */
  pins = 0;
  /** Another file has taken its place: the last reader closes it. */
  isRetired = false;

  constructor(folder: string, first: number, end: number, bytes: number, isSealed: boolean) {
    this.path = join(folder, segmentName(first));
    this.first = first;
    this.end = end;
    this.bytes = bytes;
    this.isSealed = isSealed;
  }
}

/** Sealed segments that are kept open, at most: descriptors, and 8 bytes for each 64 KiB of them. */
const openSegmentsMax = 128;

/** The segments of a log in order. Opens sealed ones when they are read, and keeps few open. */
export class SegmentTable {
  readonly files: Files;
  readonly folder: string;
  readonly logId: Uint8Array;
  readonly list: Segment[];
  isClosed = false;
  /** Sealed segments that are open, the one used last at the end. */
  readonly #opened = new Set<Segment>();

  constructor(files: Files, folder: string, logId: Uint8Array, list: Segment[]) {
    this.files = files;
    this.folder = folder;
    this.logId = logId;
    this.list = list;
  }

  get last(): Segment | undefined {
    return this.list.at(-1);
  }

  /** The segment that holds a sequence, if there is one. */
  find(sequence: number): Segment | undefined {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.list[middle]?.first ?? 0) <= sequence) low = middle + 1;
      else high = middle;
    }
    const found = this.list[low - 1];
    return found !== undefined && sequence < found.end ? found : undefined;
  }

  /** Opens a segment for a reader, who must unpin it. */
  pin(segment: Segment): OpenSegment {
    const open = segment.open ?? this.#openSealed(segment);
    segment.pins++;
    if (segment.isSealed) {
      this.#opened.delete(segment);
      this.#opened.add(segment);
      this.#closeUnused();
    }
    return open;
  }

  unpin(segment: Segment): void {
    segment.pins--;
    if (segment.isRetired && segment.pins === 0) this.#close(segment);
  }

  /** Puts a rewritten segment in the place of the one that it was made from. */
  replace(former: Segment, by: Segment): void {
    this.list[this.list.indexOf(former)] = by;
    former.isRetired = true;
    if (former.pins === 0) this.#close(former);
  }

  /** Readers that are in a segment leave it at their next step. */
  close(): void {
    this.isClosed = true;
    for (const segment of this.list) {
      segment.isRetired = true;
      if (segment.pins === 0) this.#close(segment);
    }
  }

  #openSealed(segment: Segment): OpenSegment {
    const fd = this.files.openSync(segment.path, 'r');
    const seal = readSeal(this.files, fd, segment.first, this.logId);
    const isSound = seal?.end.size === segment.end;
    const index = isSound ? seal.index : this.#indexByWalking(fd, segment.first);
    segment.open = { fd, index };
    return segment.open;
  }

  /** The seal has been damaged since the start: the frames are looked for, whatever there is. */
  #indexByWalking(fd: number, first: number): SparseIndex {
    const index = new SparseIndex(first);
    const walker = new FrameWalker(this.files, fd, this.logId);
    for (let found = walker.next(); found !== undefined; found = walker.next()) {
      if (found.kind === 'frame') index.add(found.header.first, found.offset);
    }
    return index;
  }

  #closeUnused(): void {
    for (const segment of this.#opened) {
      if (this.#opened.size <= openSegmentsMax) return;
      if (segment.pins === 0) this.#close(segment);
    }
  }

  #close(segment: Segment): void {
    this.#opened.delete(segment);
    if (segment.open === undefined) return;
    this.files.closeSync(segment.open.fd);
    segment.open = undefined;
  }
}

/** Name of the segment whose first sequence is this. */
export function segmentName(first: number): string {
  return `${String(first).padStart(12, '0')}.bcdb`;
}

/** First sequence that a file name tells; undefined when it names no segment. */
export function firstOfName(name: string): number | undefined {
  const [, digits] = /^([0-9]{12})\.bcdb$/.exec(name) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
