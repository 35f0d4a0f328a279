import fs from 'node:fs';
import path from 'node:path';
import { errorCode, GridError } from '@commongrid/base';
import { realFiles, syncFolder, writeAll } from '@commongrid/files';
import type { ZdbErrorCode } from '../errors.ts';

const BUFFER_BYTES = 1024 * 1024;

/** A file that is there whole or not at all: written as `.part`, renamed by commit(). */
export class NewFile implements Disposable {
  bytes = 0;
  readonly #target: string;
  readonly #fd: number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #isOpen = true;

  private constructor(target: string, fd: number) {
    this.#target = target;
    this.#fd = fd;
  }

  /** @throws ZDB_TARGET_EXISTS */
  static create(target: string): NewFile {
    if (fs.existsSync(target)) throw targetExists(target);
    // Readable by the owner alone: content and passwords of namespaces go in.
    return new NewFile(target, fs.openSync(`${target}.part`, 'w', 0o600));
  }

  write(bytes: Buffer): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes >= BUFFER_BYTES) this.#flush();
  }

  #flush(): void {
    writeAll(realFiles, this.#fd, Buffer.concat(this.#pending), this.bytes);
    this.bytes += this.#pendingBytes;
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  /** @throws ZDB_TARGET_EXISTS when somebody else made it meanwhile */
  commit(): void {
    this.#flush();
    fs.fsyncSync(this.#fd);
    try {
      fs.linkSync(`${this.#target}.part`, this.#target);
    } catch (error) {
      if (errorCode(error) === 'EEXIST') throw targetExists(this.#target);
      throw error;
    }
    this[Symbol.dispose]();
    syncFolder(realFiles, path.dirname(path.resolve(this.#target)));
  }

  /** Removes what was not committed. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    fs.closeSync(this.#fd);
    fs.rmSync(`${this.#target}.part`, { force: true });
  }
}

export function targetExists(target: string): GridError<ZdbErrorCode> {
  return new GridError('ZDB_TARGET_EXISTS', `${target} is there already`, {
    hint: 'name a new file or an empty folder, or remove that one',
    details: { target },
  });
}
