import path from 'node:path';
import { readUpTo, syncAsync, writeAll } from '@commongrid/files';
import type { Files } from '@commongrid/files';
import { hashBytes } from './merkle.ts';
import { tileWidth } from './tile.ts';

/** The hashes of one level of tiles, one after the other. */
export class TileFile {
  readonly #files: Files;
  readonly #fd: number;
  #count: number;

  constructor(files: Files, folder: string, level: number) {
    this.#files = files;
    const target = path.join(folder, `level-${level}`);
    this.#fd = files.openSync(target, files.existsSync(target) ? 'r+' : 'wx+', 0o600);
    this.#count = Math.floor(files.fstatSync(this.#fd).size / hashBytes);
  }

  /** Hashes in it. */
  get count(): number {
    return this.#count;
  }

  /** Leaves its first hashes in it. */
  truncate(count: number): void {
    this.#files.ftruncateSync(this.#fd, count * hashBytes);
    this.#count = count;
  }

  append(hashes: Uint8Array): void {
    writeAll(this.#files, this.#fd, hashes, this.#count * hashBytes);
    this.#count += hashes.length / hashBytes;
  }

  /** The first hashes of a tile; undefined where the file ends before. */
  read(tile: number, width: number): Uint8Array | undefined {
    const bytes = new Uint8Array(width * hashBytes);
    const position = tile * tileWidth * hashBytes;
    const got = readUpTo(this.#files, this.#fd, bytes, 0, bytes.length, position);
    return got === bytes.length ? bytes : undefined;
  }

  sync(): Promise<void> {
    return syncAsync(this.#files, this.#fd);
  }

  close(): void {
    this.#files.closeSync(this.#fd);
  }
}
