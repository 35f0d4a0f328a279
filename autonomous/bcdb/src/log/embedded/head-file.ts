import { join } from 'node:path';
import { GridError } from '@commongrid/base';
import { readWhole, replaceFile, syncAsync, writeAll, writeAsync } from '@commongrid/files';
import type { Files } from '@commongrid/files';
import type { BcdbErrorCode } from '../../errors.ts';
import type { LogHead } from '../log-engine.ts';
import { decodeHeadSlot, encodeHeadSlot, headSlotBytes, headSlotStride } from './format.ts';
import type { HeadSlot } from './format.ts';

/** The file in a folder that says how far the log goes. */
export function headPath(folder: string): string {
  return join(folder, 'head');
}

/** What a start finds in the head file. */
export interface StoredHead {
  /** The slot that was written last. */
  readonly slot: HeadSlot;
  /** Which of the two it is. */
  readonly position: number;
  /** The other slot cannot be read: it was being written, or it is damaged. */
  readonly isOtherLost: boolean;
}

/** What the head file says, or why it says nothing. */
export function readHead(files: Files, folder: string): StoredHead | 'missing' | 'unreadable' {
  const path = headPath(folder);
  if (!files.existsSync(path)) return 'missing';
  const bytes = readWhole(files, path);
  const slots = [0, 1].map((i) => decodeHeadSlot(bytes.subarray(i * headSlotStride)));
  const [first, second] = slots;
  const position = (second?.counter ?? -1) > (first?.counter ?? -1) ? 1 : 0;
  const slot = slots[position];
  if (slot === undefined) return 'unreadable';
  return { slot, position, isOtherLost: first === undefined || second === undefined };
}

/** Makes the head file with one head in both slots, or replaces it whole. */
export function createHeadFile(files: Files, folder: string, log: Uint8Array, head: LogHead): void {
  const bytes = Buffer.alloc(headSlotStride * 2);
  encodeHeadSlot({ log, head, counter: 0 }).copy(bytes, 0);
  encodeHeadSlot({ log, head, counter: 1 }).copy(bytes, headSlotStride);
  replaceFile(files, headPath(folder), bytes);
}

export function headLost(folder: string, what: string): GridError<BcdbErrorCode> {
  const path = headPath(folder);
  return new GridError('BCDB_LOG_HEAD_LOST', `${path}, which says how far the log goes, ${what}`, {
    hint: 'restore the log from a replica or a backup: grid bcdb restore',
    details: { path },
  });
}

/** Writes heads, in one slot and then the other, so that the last one is there at every moment. */
export class HeadFile {
  readonly #files: Files;
  readonly #fd: number;
  readonly #log: Uint8Array;
  #counter: number;
  #position: number;

  constructor(files: Files, fd: number, stored: StoredHead) {
    this.#files = files;
    this.#fd = fd;
    this.#log = stored.slot.log;
    this.#counter = stored.slot.counter;
    this.#position = stored.position;
  }

  static open(files: Files, folder: string, stored: StoredHead): HeadFile {
    return new HeadFile(files, files.openSync(headPath(folder), 'r+'), stored);
  }

  /** Resolves once the head is durable. After a failure the file must be opened anew. */
  async write(head: LogHead): Promise<void> {
    const { bytes, at } = this.#nextSlot(head);
    await writeAsync(this.#files, this.#fd, bytes, headSlotBytes, at);
    await syncAsync(this.#files, this.#fd);
  }

  /**
   * Brings to disk what a start has read, or goes on to a later head. What was read may be in memory
   * alone, so that it is written once more; where the disk has it already, that changes nothing.
   */
  settle(read: LogHead, head: LogHead): void {
    const { bytes, at } = head.size > read.size ? this.#nextSlot(head) : this.#slot(read);
    writeAll(this.#files, this.#fd, bytes, at);
    this.#files.fdatasyncSync(this.#fd);
  }

  close(): void {
    this.#files.closeSync(this.#fd);
  }

  #nextSlot(head: LogHead): { bytes: Buffer; at: number } {
    this.#position = 1 - this.#position;
    this.#counter++;
    return this.#slot(head);
  }

  #slot(head: LogHead): { bytes: Buffer; at: number } {
    const bytes = encodeHeadSlot({ log: this.#log, head, counter: this.#counter });
    return { bytes, at: this.#position * headSlotStride };
  }
}
