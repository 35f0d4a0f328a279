import { closeSync, openSync, writeSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';

import { errorCode } from '@commongrid/base';

/** Bytes of a request's number. */
const uniqueBytes = 8;

/**
 * What a server has not answered yet, in a file that outlives it: a kernel before Linux 6.9 does
 * not ask again, so the next server has to fail it, or its readers would wait for ever. Place 0 has
 * what the thread is at, the others what waits for content. A number stays when it was answered:
 * the kernel never uses one again, and says no to a second answer.
 */
export class OpenRequests {
  readonly #fd: number;
  /** Which places are taken; the main thread frees them. */
  readonly #taken: Int32Array;
  readonly #bytes = Buffer.alloc(uniqueBytes);

  constructor(path: string, taken: SharedArrayBuffer) {
    this.#fd = openSync(path, 'w', 0o600);
    this.#taken = new Int32Array(taken);
  }

  /** The thread begins with a request. */
  begin(unique: bigint): void {
    this.#write(unique, 0);
  }

  /** The request waits from now on. Gives its place; 0 when there is none, as it then fails at once. */
  wait(unique: bigint): number {
    const place = this.#taken.indexOf(0, 1);
    if (place < 0) return 0;
    Atomics.store(this.#taken, place, 1);
    this.#write(unique, place);
    return place;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #write(unique: bigint, place: number): void {
    this.#bytes.writeBigUInt64LE(unique);
    writeSync(this.#fd, this.#bytes, 0, uniqueBytes, place * uniqueBytes);
  }
}

/** The numbers that a server which died had open, some of them answered. The file is then gone. */
export async function takeOpenRequests(path: string): Promise<readonly bigint[]> {
  try {
    const bytes = await readFile(path);
    await rm(path);
    const uniques: bigint[] = [];
    for (let at = 0; at + uniqueBytes <= bytes.length; at += uniqueBytes) {
      const unique = bytes.readBigUInt64LE(at);
      if (unique !== 0n) uniques.push(unique);
    }
    return uniques;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
