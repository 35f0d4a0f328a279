import { statfsSync } from 'node:fs';
import { GridError } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';

/** What is left of a disk for deletions, repairs, and the journal of the tables. */
const reservedBytes = 64 * 2 ** 20;
/** How often the disk is asked. */
const lookEveryMs = 100;

export interface FolderRoomOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: what the file system says. */
  readonly freeBytesOf?: (folder: string) => number;
}

/**
 * Keeps the end of the disk on which the tables are. One that is full ends the service of a head, reads
 * and deletions too, until there is room again: whoever adds something is refused before that.
 */
export class FolderRoom {
  readonly #folder: string;
  readonly #o: FolderRoomOptions;
  #askedMs = -Infinity;
  #freeBytes = 0;
  #isShort = false;

  constructor(folder: string, options: FolderRoomOptions) {
    this.#folder = folder;
    this.#o = options;
  }

  /**
   * @param bytes that are going to be written, beside what is reserved
   * @throws ZSTOR_CATALOG_NO_ROOM
   */
  require(bytes = 0): void {
    const { clock, logger, freeBytesOf = freeBytesOfDisk } = this.#o;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#askedMs >= lookEveryMs || bytes > 0) {
      this.#askedMs = nowMs;
      this.#freeBytes = freeBytesOf(this.#folder);
    }
    const isShort = this.#freeBytes < reservedBytes;
    if (isShort !== this.#isShort) {
      const message = isShort ? 'the disk of the tables is full' : 'the tables have room again';
      logger.warn({ folder: this.#folder, freeBytes: this.#freeBytes }, message);
      this.#isShort = isShort;
    }
    if (this.#freeBytes < reservedBytes + bytes) throw noRoom(this.#folder, this.#freeBytes, bytes);
  }
}

function freeBytesOfDisk(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

function noRoom(folder: string, freeBytes: number, bytes: number): GridError<ZstorErrorCode> {
  const neededBytes = reservedBytes + bytes;
  return new GridError(
    'ZSTOR_CATALOG_NO_ROOM',
    `the disk of ${folder} has ${freeBytes} bytes left, ${neededBytes} are needed`,
    {
      hint: 'make room on that disk: all goes on by itself then',
      retryable: true,
      details: { folder, freeBytes, neededBytes },
    },
  );
}
