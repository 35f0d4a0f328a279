import fs from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { errorCode, GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { objectIdOf } from '../format/object-id.ts';
import type { ObjectId } from '../format/object-id.ts';
import type { ChunkHash } from '../ports.ts';
import { chunkBytes } from '../tree/inode.ts';
import { hashOfChunk } from './chunk-codec.ts';
import { diskFull } from './disk-full.ts';
import { fannedPath, makeFannedFolder } from './fanned-folder.ts';
import type { EntryKey, EntryKind } from './object-ledger.ts';

/** A file that was put into its place, with the stamp that it has there. */
export interface PlacedFile {
  readonly sizeBytes: number;
  readonly stamp: string;
}

/** Bytes that a file is made of, or what writes them to the new file, anew with each call. */
export type FileContent = Buffer | ((fd: number) => Promise<void>);

/** Up to here a file is written at once: the trips to the thread pool cost more than the work. */
const inlineBytesMax = 128 * 1024;

/** The files of a store: `objects/ab/ID`, `chunks/ab/HASH`, and `temp/` on the way there. */
export class ObjectFiles {
  readonly folders: Readonly<Record<EntryKind, string>>;
  readonly #temp: string;
  #nextTemp = 0;

  private constructor(folder: string) {
    this.folders = { object: join(folder, 'objects'), chunk: join(folder, 'chunks') };
    this.#temp = join(folder, 'temp');
  }

  static async open(folder: string): Promise<ObjectFiles> {
    const files = new ObjectFiles(folder);
    await rm(files.#temp, { recursive: true, force: true });
    await mkdir(files.#temp, { mode: 0o700 });
    await makeFannedFolder(files.folders.object);
    await makeFannedFolder(files.folders.chunk);
    return files;
  }

  pathOf({ kind, name }: EntryKey): string {
    return fannedPath(this.folders[kind], name);
  }

  /**
   * Makes a file of verified bytes; it is there whole or not at all.
   * @throws FLIST_DISK_FULL, and what `content` throws
   */
  async place(key: EntryKey, content: FileContent): Promise<PlacedFile> {
    const temp = join(this.#temp, `${this.#nextTemp++}`);
    try {
      const isShort = Buffer.isBuffer(content) && content.length <= inlineBytesMax;
      if (isShort) fs.writeFileSync(temp, content, asNew);
      else await writeNew(temp, content);
      fs.renameSync(temp, this.pathOf(key));
    } catch (error) {
      await rm(temp, { force: true });
      throw fullCodes.has(errorCode(error) ?? '') ? diskFull(error) : error;
    }
    // After the rename, which changes the ctime.
    const placed = this.look(key);
    if (placed !== undefined) return placed;
    throw new GridError<FlistErrorCode>('FLIST_STORE_DAMAGED', `${this.pathOf(key)} was removed`, {
      hint: 'let nobody else write the folder of a store',
    });
  }

  /** Size and stamp as they are now. */
  look(key: EntryKey): PlacedFile | undefined {
    const found = fs.statSync(this.pathOf(key), { bigint: true, throwIfNoEntry: false });
    if (found === undefined) return undefined;
    const { size, mtimeNs, ctimeNs, ino } = found;
    const stamp = found.isFile() ? `${size} ${mtimeNs} ${ctimeNs} ${ino}` : 'no file';
    return { sizeBytes: Number(size), stamp };
  }

  /** Never throws because the file is not there. */
  remove(key: EntryKey): void {
    fs.rmSync(this.pathOf(key), { force: true, recursive: true });
  }

  /** Brings what was written to disk. False when the file is not there any more. */
  async sync(key: EntryKey): Promise<boolean> {
    const file = await openIfThere(this.pathOf(key));
    if (file === undefined) return false;
    try {
      await file.sync();
      return true;
    } finally {
      await file.close();
    }
  }

  /** Bytes of a file; fewer where it is shorter, none where it is not there. */
  async read(path: string, offset: number, sizeBytes: number): Promise<Buffer> {
    const file = await openIfThere(path);
    if (file === undefined) return Buffer.alloc(0);
    try {
      return await readFrom(file, offset, sizeBytes);
    } finally {
      await file.close();
    }
  }

  /** Reads a file whole: the hashes of its chunks when it is what its name says. */
  async verify(key: EntryKey): Promise<ChunkHash[] | undefined> {
    const file = await openIfThere(this.pathOf(key)).catch(() => undefined);
    if (file === undefined) return undefined;
    try {
      const { size: sizeBytes } = await file.stat();
      if (key.kind === 'chunk' && sizeBytes > chunkBytes) return undefined;
      const hashes: ChunkHash[] = [];
      for (let at = 0; at < sizeBytes; at += chunkBytes) {
        const bytes = await readFrom(file, at, Math.min(chunkBytes, sizeBytes - at));
        hashes.push(await hashOfChunk(bytes));
      }
      const name = key.kind === 'chunk' ? hashes[0] : contentIdOf(sizeBytes, hashes);
      return name === key.name ? hashes : undefined;
    } catch {
      // A disk that cannot read it is as good as one that has other bytes.
      return undefined;
    } finally {
      await file.close();
    }
  }
}

const asNew = { flag: 'wx', mode: 0o444 } as const;

/** Of what may be long only the writing is waited for elsewhere: handles of files cost more than it. */
async function writeNew(path: string, content: FileContent): Promise<void> {
  const fd = fs.openSync(path, asNew.flag, asNew.mode);
  try {
    await (Buffer.isBuffer(content) ? writeBytes(fd, content, 0) : content(fd));
  } finally {
    fs.closeSync(fd);
  }
}

/** Writes all of them to a file that is open. */
export async function writeBytes(fd: number, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await writeAsync(fd, bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

const writeAsync = promisify(fs.write);

const fullCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

function contentIdOf(sizeBytes: number, hashes: readonly ChunkHash[]): ObjectId {
  const chunkHashes = Buffer.from(hashes.join(''), 'hex');
  const nothing = { mode: 0, uid: 0, gid: 0, mtimeNs: 0n, xattrs: [] };
  return objectIdOf({ kind: 'file', ...nothing, sizeBytes, chunkHashes });
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function readFrom(file: FileHandle, offset: number, sizeBytes: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(sizeBytes);
  let done = 0;
  while (done < sizeBytes) {
    const { bytesRead } = await file.read(bytes, done, sizeBytes - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}
