import { copyFile, open, rename } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

import { closeOnce, errorCode } from '@commongrid/base';

export interface LogLimits {
  /** A log is rotated when it is found larger than this. */
  readonly maxBytes: number;
  /** Rotated files that are kept: NAME.1 is the youngest. */
  readonly maxOldFiles: number;
}

export const logLimits: LogLimits = { maxBytes: 8 * 1024 * 1024, maxOldFiles: 2 };

/** How often logs are measured. A service can exceed `maxBytes` by what it writes meanwhile. */
export const logCheckEveryMs = 5_000;

/**
 * A log that another process appends to. Rotation copies and truncates: the writer keeps its
 * descriptor, and keeps on writing when the supervisor has died. Lines written between the copy and
 * the cut are lost.
 */
export class LogFile implements AsyncDisposable {
  readonly path: string;
  readonly close: () => Promise<void>;
  readonly #file: FileHandle;
  readonly #limits: LogLimits;

  constructor(path: string, file: FileHandle, limits: LogLimits) {
    this.path = path;
    this.#file = file;
    this.#limits = limits;
    this.close = closeOnce(() => file.close());
  }

  static async open(path: string, limits: LogLimits = logLimits): Promise<LogFile> {
    return new LogFile(path, await open(path, 'a+', 0o600), limits);
  }

  /** For a child's stdout and stderr. */
  get descriptor(): number {
    return this.#file.fd;
  }

  /** Rotates when the log has grown too large. Calls must not overlap. */
  async rotate(): Promise<void> {
    const { size } = await this.#file.stat();
    if (size <= this.#limits.maxBytes) return;
    for (let age = this.#limits.maxOldFiles; age > 1; age--) {
      await renameIfPresent(`${this.path}.${age - 1}`, `${this.path}.${age}`);
    }
    await copyFile(this.path, `${this.path}.1`);
    await this.#file.truncate(0);
  }

  /** The last lines, for a message about a service that ended. */
  async tail(maxLines: number): Promise<string[]> {
    const { size } = await this.#file.stat();
    const length = Math.min(size, 16 * 1024);
    const { buffer, bytesRead } = await this.#file.read(
      Buffer.alloc(length),
      0,
      length,
      size - length,
    );
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    return lines.filter((line) => line.trim() !== '').slice(-maxLines);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function renameIfPresent(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
