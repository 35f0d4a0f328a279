import type { Files } from '@commongrid/files';

/** The share of the disk that is kept free, at most two segments: one sixteenth. */
const RESERVE_DIVISOR = 16;
/** The disk is asked again when so much was written, or a quarter of the reserve. */
const LOOK_BYTES = 1024 * 1024;

/**
 * Keeps the end of the disk free for deletions and compaction: a disk without any room refuses the
 * very writes that would win room back, and a refused write ends all writing.
 */
export class DiskRoom {
  /** At the last look there was room for deletions alone. */
  isShort = false;
  readonly #files: Files;
  readonly #folder: string;
  readonly #segmentBytes: number;
  #bytesToLook = 0;

  constructor(files: Files, folder: string, segmentBytes: number) {
    this.#files = files;
    this.#folder = folder;
    this.#segmentBytes = segmentBytes;
  }

  /** Whether `bytes` more may be written by who does not delete. */
  admits(bytes: number): boolean {
    this.#bytesToLook -= bytes;
    if (this.isShort || this.#bytesToLook < 0) this.#look(bytes);
    return !this.isShort;
  }

  #look(bytes: number): void {
    const disk = this.#files.statfsSync(this.#folder);
    const reserveBytes = reservedDiskBytes(disk, this.#segmentBytes);
    this.#bytesToLook = Math.min(LOOK_BYTES, Math.floor(reserveBytes / 4));
    this.isShort = disk.bavail * disk.bsize < reserveBytes + Math.max(bytes, this.#bytesToLook);
  }
}

/** What is kept free of a disk. */
export function reservedDiskBytes(
  { blocks, bsize }: { readonly blocks: number; readonly bsize: number },
  segmentBytes: number,
): number {
  return Math.min(2 * segmentBytes, Math.floor((blocks * bsize) / RESERVE_DIVISOR));
}
