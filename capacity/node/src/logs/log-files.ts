import { statSync } from 'node:fs';
import { link, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, GridError, isGridError, Mutex, waitFor } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';

/** The file in the folder of a log that conmon writes to. */
export const logFileName = 'log';

/** One file of a log. Numbers rise and are not given twice. */
export interface LogFile {
  readonly number: number;
  readonly inode: number;
}

export interface LogFilesOptions {
  readonly folder: string;
  /** Most that the files together keep. */
  readonly totalBytes: number;
  /** Makes conmon begin a new `log`; false when nobody writes. */
  readonly reopen: () => Promise<boolean>;
}

/** Into so many files a log is cut: the oldest goes when there is no more room. */
const parts = 4;
/** conmon syncs the file that it leaves. */
const reopenTimeoutMs = 10_000;

/**
 * The files of one log. conmon writes to `log`, and puts a new file in its place when it is told to.
 * Each file has a second name, `log.1`, `log.2`, ..., from the first look on, so that it outlives that.
 * Nothing is renamed: at each moment there is a `log`, and a kill between two steps changes nothing.
 */
export class LogFiles {
  readonly #options: LogFilesOptions;
  readonly #path: string;
  readonly #mutex = new Mutex();
  /** By number. The last one is `log` itself. */
  #files: LogFile[] = [];
  /** Of `log`, when it was looked at. */
  #sizeBytes = 0;
  /** Whether older files may be too many. */
  #isGrown = true;

  /** Use `open`. */
  constructor(options: LogFilesOptions) {
    this.#options = options;
    this.#path = join(options.folder, logFileName);
  }

  static async open(options: LogFilesOptions): Promise<LogFiles> {
    const files = new LogFiles(options);
    await files.lookAgain();
    return files;
  }

  /** Forgets what was there: another one who looks after the same log removed a file. */
  lookAgain(): Promise<void> {
    return this.#mutex.run(() => this.#find());
  }

  pathOf(number: number): string {
    return join(this.#options.folder, `${logFileName}.${number}`);
  }

  /** Looks whether conmon began a new file. The files there are, oldest first. */
  look(): Promise<readonly LogFile[]> {
    return this.#mutex.run(() => this.#name());
  }

  /** Whether `rotate` has anything to do. At once: it is asked often, of all logs. */
  get isRotationDue(): boolean {
    if (this.#isGrown) return true;
    const log = statSync(this.#path, { throwIfNoEntry: false });
    if (log === undefined) return false;
    const isLong = log.size >= this.#options.totalBytes / parts;
    return isLong || log.ino !== this.#files.at(-1)?.inode;
  }

  /**
   * Begins a new file when the last one is long, and removes the oldest ones when all together are
   * too long. Called every few seconds.
   * @param beforeRemoval is told of a file that goes
   * @throws NODE_LOG_STUCK
   */
  rotate(beforeRemoval: (number: number) => Promise<void>): Promise<void> {
    return this.#mutex.run(async () => {
      const files = await this.#name();
      const last = files.at(-1);
      if (last === undefined) return;
      const { totalBytes } = this.#options;
      if (this.#sizeBytes >= totalBytes / parts) await this.#renew(last);
      if (this.#isGrown) await this.#trim(totalBytes, beforeRemoval);
    });
  }

  async #find(): Promise<void> {
    const pattern = new RegExp(`^${logFileName}\\.([1-9][0-9]{0,14})$`);
    const names = await readdir(this.#options.folder);
    const numbers = names.map((name) => Number(pattern.exec(name)?.[1] ?? 0));
    const sorted = numbers.filter((number) => number > 0).toSorted((a, b) => a - b);
    const inodes = await Promise.all(sorted.map((number) => inodeOf(this.pathOf(number))));
    this.#files = sorted.flatMap((number, i) => {
      const inode = inodes[i];
      return inode === undefined ? [] : [{ number, inode }];
    });
  }

  /** Gives the file that is `log` now its number. */
  async #name(): Promise<readonly LogFile[]> {
    const path = this.#path;
    const last = this.#files.at(-1);
    const { ino: inode, size } = (await found(stat(path))) ?? {};
    this.#sizeBytes = size ?? 0;
    if (inode === undefined || inode === last?.inode) return this.#files;
    this.#isGrown = true;
    const number = (last?.number ?? 0) + 1;
    if (await isLinked(path, this.pathOf(number))) {
      // It may be another one by now.
      this.#files.push({ number, inode: (await stat(this.pathOf(number))).ino });
    } else {
      // Another one who looks after the same log was quicker.
      await this.#find();
    }
    return this.#files;
  }

  async #renew({ inode }: LogFile): Promise<void> {
    const path = this.#path;
    if (!(await this.#options.reopen())) return;
    const isNew = async (): Promise<boolean> => (await inodeOf(path)) !== inode;
    try {
      await waitFor(isNew, { timeoutMs: reopenTimeoutMs, everyMs: 5, what: `a new ${path}` });
    } catch (error) {
      if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
      throw new GridError<NodeErrorCode>('NODE_LOG_STUCK', `conmon begins no new ${path}`, {
        hint: 'see whether it hangs; the container prints on meanwhile',
        retryable: true,
        cause: error,
      });
    }
    await this.#name();
  }

  async #trim(totalBytes: number, beforeRemoval: (number: number) => Promise<void>): Promise<void> {
    const sizes = await Promise.all(this.#files.map(({ number }) => sizeOf(this.pathOf(number))));
    let sum = sizes.reduce((all, size) => all + size, 0);
    for (const size of sizes.slice(0, -1)) {
      const [oldest] = this.#files;
      // Room for the one that is being written is kept free.
      if (sum <= totalBytes * ((parts - 1) / parts) || oldest === undefined) break;
      await beforeRemoval(oldest.number);
      await rm(this.pathOf(oldest.number), { force: true });
      this.#files.shift();
      sum -= size;
    }
    this.#isGrown = false;
  }
}

/** False when the second name is taken. */
async function isLinked(path: string, second: string): Promise<boolean> {
  try {
    await link(path, second);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function inodeOf(path: string): Promise<number | undefined> {
  return (await found(stat(path)))?.ino;
}

async function sizeOf(path: string): Promise<number> {
  return (await found(stat(path)))?.size ?? 0;
}

/** Reads a piece of a file; undefined when there is no such file. */
export async function readPiece(
  path: string,
  offset: number,
  sizeBytes: number,
): Promise<Buffer | undefined> {
  const file = await found(open(path, 'r'));
  if (file === undefined) return undefined;
  try {
    const piece = Buffer.allocUnsafe(sizeBytes);
    const { bytesRead } = await file.read(piece, 0, sizeBytes, offset);
    return piece.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function found<T>(looked: Promise<T>): Promise<T | undefined> {
  try {
    return await looked;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
