import { mkdir, open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

import { closeOnce, errorCode, silentLogger } from '@commongrid/base';
import type { Clock, Logger, Timer } from '@commongrid/base';

/** Largest file of the log; then a new one begins. */
const fileBytesMax = 64 << 20;
/** Files that are kept, the one that is written included. */
const filesMax = 10;
/** Lines wait for each other for so long. */
const flushMs = 1_000;
/** Lines that wait for the disk; beyond it they are dropped, and counted. */
const waitingBytesMax = 8 << 20;

export interface AccessLogOptions {
  /** The file that is written; older ones are PATH.1 and so on. */
  readonly path: string;
  readonly clock: Clock;
  readonly logger?: Logger;
  /** Default 64 MiB. */
  readonly fileBytesMax?: number;
}

/**
 * Lines in a file that begins anew when it is large. Writing never holds up who writes: lines that
 * the disk does not take in time are dropped.
 */
export class AccessLog implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #o: AccessLogOptions;
  readonly #logger: Logger;
  #file: FileHandle;
  #sizeBytes: number;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #timer: Timer | undefined;
  #work: Promise<void> = Promise.resolve();
  #droppedLines = 0;

  private constructor(options: AccessLogOptions, file: FileHandle, sizeBytes: number) {
    this.#o = options;
    this.#logger = options.logger ?? silentLogger;
    this.#file = file;
    this.#sizeBytes = sizeBytes;
    this.close = closeOnce(async () => {
      this.#timer?.cancel();
      this.#flush();
      await this.#work;
      await this.#file.close();
    });
  }

  /** For its owner to read alone: it tells who did what. Throws what the file system does. */
  static async open(options: AccessLogOptions): Promise<AccessLog> {
    await mkdir(dirname(options.path), { recursive: true });
    const file = await open(options.path, 'a', 0o600);
    const { size } = await file.stat();
    return new AccessLog(options, file, size);
  }

  /** Lines that were dropped since it is open. */
  get droppedLines(): number {
    return this.#droppedLines;
  }

  /** @param line without its end, and without one inside */
  write(line: string): void {
    if (this.#waitingBytes + line.length >= waitingBytesMax) {
      this.#droppedLines += 1;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length + 1;
    this.#timer ??= this.#o.clock.setTimer(flushMs, () => this.#flush());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #flush(): void {
    this.#timer = undefined;
    const lines = this.#waiting;
    if (lines.length === 0) return;
    this.#waiting = [];
    this.#work = this.#work.then(() => this.#append(lines));
  }

  /** Never throws: a full disk ends no request. */
  async #append(lines: readonly string[]): Promise<void> {
    const bytes = Buffer.from(`${lines.join('\n')}\n`);
    try {
      const { fileBytesMax: limit = fileBytesMax } = this.#o;
      if (this.#sizeBytes > 0 && this.#sizeBytes + bytes.length > limit) await this.#rotate();
      await this.#file.appendFile(bytes);
      this.#sizeBytes += bytes.length;
    } catch (err) {
      this.#droppedLines += lines.length;
      this.#logger.warn({ err }, 'the access log cannot be written');
    } finally {
      this.#waitingBytes -= lines.reduce((sum, line) => sum + line.length + 1, 0);
    }
  }

  async #rotate(): Promise<void> {
    const { path } = this.#o;
    await rm(`${path}.${filesMax - 1}`, { force: true });
    for (let at = filesMax - 2; at >= 1; at -= 1) await move(`${path}.${at}`, `${path}.${at + 1}`);
    await move(path, `${path}.1`);
    const file = await open(path, 'a', 0o600);
    await this.#file.close();
    this.#file = file;
    this.#sizeBytes = 0;
  }
}

/** A file that is not there is none to move. */
async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
