import { hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

import { errorCode } from '@commongrid/base';

import type { ChunkHash } from '../ports.ts';
import { fannedPath } from '../store/fanned-folder.ts';
import { chunkBytes, hashBytes } from '../tree/inode.ts';
import type { RegularFile } from '../tree/inode.ts';
import type { ChunkWindow } from './chunk-window.ts';
import type { ServedObject } from './image-nodes.ts';

export interface LocalFolders {
  /** Whole files by object id: `ab/ab01...`. */
  readonly objectsFolder: string;
  /** Single chunks by hash: `ab/ab01...`. */
  readonly chunksFolder: string;
}

/** Files that are kept open. */
const openFilesMax = 256;

/**
 * Which bytes of a content are here. A chunk is hashed when it is first read from a file that is
 * open; the descriptor then stays with those bytes, whatever takes the file's name.
 */
export class LocalContent {
  readonly #folders: LocalFolders;
  readonly #window: ChunkWindow;
  /** By path, the least recently used first. */
  readonly #open = new Map<string, OpenFile>();
  readonly #scratch = Buffer.allocUnsafe(chunkBytes);

  constructor(folders: LocalFolders, window: ChunkWindow) {
    this.#folders = folders;
    this.#window = window;
  }

  /**
   * Reads bytes of one content into `out`, all of them inside of it.
   * @returns false when some are not here, or damaged
   */
  read(object: ServedObject, offset: number, out: Buffer): boolean {
    const end = offset + out.length;
    let at = this.#readWindow(object, offset, end, out);
    if (at === end) return true;
    const left = out.subarray(at - offset);
    const whole = this.#openFile(fannedPath(this.#folders.objectsFolder, object.id));
    if (whole !== undefined && this.#readFrom(whole, { object, firstChunk: 0 }, at, left)) {
      return true;
    }
    while (at < end) {
      const chunk = Math.floor(at / chunkBytes);
      const partEnd = Math.min(end, (chunk + 1) * chunkBytes);
      const path = fannedPath(this.#folders.chunksFolder, chunkHashAt(object.file, chunk));
      const file = this.#openFile(path);
      const part = out.subarray(at - offset, partEnd - offset);
      if (file === undefined) return false;
      if (!this.#readFrom(file, { object, firstChunk: chunk }, at, part)) return false;
      at = partEnd;
    }
    return true;
  }

  /** Reads from the window, chunk by chunk, until one is not there. Returns how far it came. */
  #readWindow({ file }: ServedObject, start: number, end: number, out: Buffer): number {
    let at = start;
    while (at < end) {
      const chunk = Math.floor(at / chunkBytes);
      const partEnd = Math.min(end, (chunk + 1) * chunkBytes);
      const name = file.chunkHashes.subarray(chunk * hashBytes, (chunk + 1) * hashBytes);
      const part = out.subarray(at - start, partEnd - start);
      if (!this.#window.read(name, at - chunk * chunkBytes, part)) break;
      at = partEnd;
    }
    return at;
  }

  close(): void {
    for (const { fd } of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  /**
   * Bytes of a content from a file that has it from one of its chunks on. What is hashed is what is
   * given: where it lies if `out` has all of the chunk.
   */
  #readFrom(
    file: OpenFile,
    { object, firstChunk }: { object: ServedObject; firstChunk: number },
    offset: number,
    out: Buffer,
  ): boolean {
    const content = object.file;
    const base = firstChunk * chunkBytes;
    if (readSync(file.fd, out, 0, out.length, offset - base) !== out.length) return false;
    const first = Math.floor(offset / chunkBytes);
    const last = Math.floor((offset + out.length - 1) / chunkBytes);
    for (let chunk = first; chunk <= last; chunk += 1) {
      if (file.verified.has(chunk - firstChunk)) continue;
      const at = chunk * chunkBytes;
      const sizeBytes = Math.min(chunkBytes, content.sizeBytes - at);
      const isAllThere = at >= offset && at + sizeBytes <= offset + out.length;
      const bytes = isAllThere
        ? out.subarray(at - offset, at - offset + sizeBytes)
        : this.#scratch.subarray(0, sizeBytes);
      if (!isAllThere && readSync(file.fd, bytes, 0, sizeBytes, at - base) !== sizeBytes) {
        return false;
      }
      if (!isChunk(content, chunk, bytes)) return false;
      if (!isAllThere) copyOverlap(bytes, at, out, offset);
      file.verified.add(chunk - firstChunk);
    }
    return true;
  }

  #openFile(path: string): OpenFile | undefined {
    const known = this.#open.get(path);
    if (known !== undefined) this.#open.delete(path);
    const file = known !== undefined && isNamed(known) ? known : openIfThere(path, known);
    if (file === undefined) return undefined;
    this.#open.set(path, file);
    const [oldest] = this.#open;
    if (oldest !== undefined && this.#open.size > openFilesMax) {
      this.#open.delete(oldest[0]);
      closeSync(oldest[1].fd);
    }
    return file;
  }
}

interface OpenFile {
  readonly fd: number;
  /** Chunks that had the right hash, counted from the first one in the file. */
  readonly verified: Set<number>;
}

/** Whether the file still has a name: a damaged one is removed or replaced. */
function isNamed({ fd }: OpenFile): boolean {
  return fstatSync(fd).nlink > 0;
}

function openIfThere(path: string, old: OpenFile | undefined): OpenFile | undefined {
  if (old !== undefined) closeSync(old.fd);
  try {
    return { fd: openSync(path, 'r'), verified: new Set() };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** SHA-256 of a chunk of a file, as text. */
function chunkHashAt({ chunkHashes }: RegularFile, chunk: number): ChunkHash {
  const at = chunk * hashBytes;
  const { buffer, byteOffset } = chunkHashes;
  return Buffer.from(buffer, byteOffset + at, hashBytes).toString('hex') as ChunkHash;
}

/** Copies what both have of a content, each from its own offset on. */
function copyOverlap(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number): void {
  const start = Math.max(fromAt, toAt);
  const end = Math.min(fromAt + from.length, toAt + to.length);
  to.set(from.subarray(start - fromAt, end - fromAt), start - toAt);
}

function isChunk(file: RegularFile, chunk: number, bytes: Uint8Array): boolean {
  return hash('sha256', bytes, 'hex') === chunkHashAt(file, chunk);
}
