import type { Files } from '@commongrid/files';
import type { LogHead } from '../log-engine.ts';
import { frameEnd, hasFlag } from './format.ts';
import { FrameWalker } from './frame-walker.ts';
import type { WalkedStretch } from './frame-walker.ts';
import { readSeal } from './seal.ts';
import { SparseIndex } from './sparse-index.ts';

/** What a start knows of a segment file. */
export interface SegmentScan {
  /** Undefined where the seal was taken for it: it is read again when it is needed. */
  readonly index: SparseIndex | undefined;
  readonly isSealed: boolean;
  /** The head after its last whole batch; undefined without one. */
  readonly end: LogHead | undefined;
  /** Offset after that batch, and after the seal where there is one. */
  readonly endOffset: number;
  /** Sequence and offset of the first thing that is not as it should be, or of the end. */
  readonly reached: number;
  readonly reachedOffset: number;
  /** Largest acknowledged size that any sound frame tells of, also behind bad bytes. */
  readonly durableTo: number;
  /** The root at the head that the caller asked for, when a batch ends there. */
  readonly rootAtHead: Uint8Array | undefined;
  /** Offset of the first frame at or above that head. */
  readonly aboveOffset: number;
}

/** Looks at a segment: at its seal, if all of it is at or below `headSize`, else at each frame. */
export function scanSegment(
  files: Files,
  fd: number,
  first: number,
  logId: Uint8Array,
  headSize: number,
): SegmentScan {
  const seal = readSeal(files, fd, first, logId);
  const fileBytes = files.fstatSync(fd).size;
  if (seal === undefined || seal.end.size > headSize) {
    return new FrameScan(first, headSize).run(new FrameWalker(files, fd, logId));
  }
  return {
    index: undefined,
    isSealed: true,
    end: seal.end,
    endOffset: fileBytes,
    reached: seal.end.size,
    reachedOffset: fileBytes,
    durableTo: seal.durableTo,
    rootAtHead: seal.end.size === headSize ? seal.end.root : undefined,
    aboveOffset: fileBytes,
  };
}

/** Follows the frames of one segment as far as they are sound and without a hole. */
class FrameScan implements SegmentScan {
  readonly index: SparseIndex;
  isSealed = false;
  end: LogHead | undefined;
  endOffset = 0;
  reached: number;
  reachedOffset = 0;
  durableTo = 0;
  rootAtHead: Uint8Array | undefined;
  aboveOffset = Infinity;
  readonly #headSize: number;
  #isBroken = false;

  constructor(first: number, headSize: number) {
    this.index = new SparseIndex(first);
    this.reached = first;
    this.#headSize = headSize;
  }

  run(walker: FrameWalker): this {
    for (let found = walker.next(); found !== undefined; found = walker.next()) this.#take(found);
    return this;
  }

  #take(found: WalkedStretch): void {
    if (found.kind === 'bad') {
      this.#isBroken = true;
      return;
    }
    const { header, offset, bytes } = found;
    this.durableTo = Math.max(this.durableTo, header.durableTo);
    if (this.#isBroken || this.isSealed || header.first !== this.reached) {
      this.#isBroken = true;
      return;
    }
    this.reachedOffset = offset + bytes;
    if (hasFlag(header, 'seal')) {
      this.isSealed = this.end?.size === header.first;
      if (this.isSealed) this.endOffset = this.reachedOffset;
      return;
    }
    this.index.add(header.first, offset);
    if (header.first >= this.#headSize) this.aboveOffset = Math.min(this.aboveOffset, offset);
    this.reached = frameEnd(header);
    if (!hasFlag(header, 'batchEnd')) return;
    this.end = { size: this.reached, root: header.root };
    this.endOffset = this.reachedOffset;
    if (this.reached === this.#headSize) this.rootAtHead = header.root;
  }
}
