import { constants } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

import { errorCode, GridError, isGridError, throwIfAborted } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { ChunkSink } from '../ports.ts';
import { byteTextOf, bytesOfText, shownText } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import type { NewNode } from '../tree/check-inode.ts';
import { chunkBytes } from '../tree/inode.ts';
import type { RegularFile } from '../tree/inode.ts';
import { rootPath } from '../tree/resolve-path.ts';
import { TreeBuilder } from '../tree/tree-builder.ts';
import { ChunkWriter } from './chunk-writer.ts';
import type { MadeImage } from './create-from-tar.ts';
import { folderXattrs } from './folder-xattrs.ts';
import type { FolderXattrs } from './folder-xattrs.ts';
import { imageXattrsOf } from './image-xattrs.ts';
import { MakeLog } from './make-log.ts';

export interface CreateFromFolderOptions {
  /** Says of a path below the folder whether it, and what is in it, stays out. */
  readonly exclude?: (path: ByteText) => boolean;
  readonly signal?: AbortSignal | undefined;
}

/** How often a file is read that something else writes to meanwhile. */
const fileReadsMax = 3;

/**
 * Makes an image of a folder as it is: owners, modes, times, attributes, hard links, devices.
 * Sockets are left out with a note. Neither the order of its names on disk nor when it is read
 * makes a difference.
 * @throws FLIST_FILE_UNREADABLE, FLIST_FILE_CHANGED (retryable), FLIST_TOOL_MISSING,
 *   FLIST_XATTR_FORBIDDEN, FLIST_ID_OUT_OF_RANGE, FLIST_TOO_LARGE, BASE_ABORTED
 */
export async function createFromFolder(
  folder: string,
  sink: ChunkSink,
  options: CreateFromFolderOptions = {},
): Promise<MadeImage> {
  const { signal } = options;
  const rootStats = await statOf(Buffer.from(folder), rootPath);
  if (!rootStats.isDirectory()) throw unreadable(rootPath, 'it is no folder');
  const xattrs = await folderXattrs(folder, signal);
  const reader = new FolderReader(folder, sink, xattrs);
  const pending: ByteText[] = [rootPath];
  try {
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      throwIfAborted(signal);
      if (path !== rootPath && options.exclude?.(path) === true) continue;
      const isDirectory = await reader.add(path);
      // Last first, so that names come in their order: the first one of a hard link is the file.
      if (isDirectory) for (const name of await reader.namesInReverse(path)) pending.push(name);
    }
  } finally {
    await reader.writer.settle();
  }
  await reader.writer.drain();
  const root = reader.builder.finish();
  return { flist: { root }, report: reader.log.report(reader.writer) };
}

class FolderReader {
  readonly builder = new TreeBuilder();
  readonly log = new MakeLog();
  readonly writer: ChunkWriter;
  readonly #folder: Buffer;
  readonly #xattrs: FolderXattrs;
  /** Of files with several names: the first one. */
  readonly #firstNames = new Map<string, ByteText>();

  constructor(folder: string, sink: ChunkSink, xattrs: FolderXattrs) {
    this.writer = new ChunkWriter(sink);
    this.#folder = Buffer.from(folder);
    this.#xattrs = xattrs;
  }

  /** @returns whether there is more below it */
  async add(path: ByteText): Promise<boolean> {
    const stats = await statOf(this.#place(path), path);
    if (stats.isSocket()) {
      this.log.leftOutSocket(path);
      return false;
    }
    const identity = `${stats.dev}:${stats.ino}`;
    const hasNames = stats.nlink > 1n && !stats.isDirectory();
    const first = hasNames ? this.#firstNames.get(identity) : undefined;
    if (first !== undefined) {
      this.builder.link(path, first);
      return false;
    }
    this.builder.put(path, await this.#nodeOf(path, stats));
    if (hasNames) this.#firstNames.set(identity, path);
    return stats.isDirectory();
  }

  async namesInReverse(path: ByteText): Promise<ByteText[]> {
    const prefix = path === rootPath ? '' : `${path}/`;
    const names = await reading(path, () => readdir(this.#place(path), { encoding: 'buffer' }));
    return names
      .map(byteTextOf)
      .sort()
      .reverse()
      .map((name) => `${prefix}${name}` as ByteText);
  }

  async #nodeOf(path: ByteText, stats: BigIntStats): Promise<NewNode> {
    if (stats.isFile()) return this.#file(path, stats);
    const base = this.#baseOf(path, stats);
    if (stats.isDirectory()) return { ...base, kind: 'directory' };
    if (stats.isFIFO()) return { ...base, kind: 'fifo' };
    if (stats.isSymbolicLink()) {
      const place = this.#place(path);
      const target = await reading(path, () => readlink(place, { encoding: 'buffer' }));
      return { ...base, kind: 'symlink', target: byteTextOf(target) };
    }
    const kind = stats.isBlockDevice() ? 'block-device' : 'character-device';
    return { ...base, kind, ...deviceNumbersOf(stats.rdev) };
  }

  #baseOf(
    path: ByteText,
    stats: BigIntStats,
  ): Omit<RegularFile, 'kind' | 'sizeBytes' | 'chunkHashes'> {
    return {
      mode: Number(stats.mode) & 0o7777,
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      mtimeNs: stats.mtimeNs,
      xattrs: imageXattrsOf(this.#xattrs.get(path) ?? [], path, this.log),
    };
  }

  async #file(path: ByteText, stats: BigIntStats): Promise<RegularFile> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#readFile(path, stats);
      } catch (error) {
        if (!isGridError(error, 'FLIST_FILE_CHANGED') || attempt === fileReadsMax) throw error;
      }
    }
  }

  /** Reads a file between two looks at it, which must agree. */
  async #readFile(path: ByteText, seen: BigIntStats): Promise<RegularFile> {
    // Had somebody put something else in its place, opening it must neither wait nor lead away.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const handle = await reading(path, () => open(this.#place(path), flags));
    try {
      const before = await handle.stat({ bigint: true });
      if (before.ino !== seen.ino || before.dev !== seen.dev) throw changed(path);
      const sizeBytes = Number(before.size);
      const chunkHashes = await this.writer.add(
        contentOf(handle, sizeBytes, path),
        sizeBytes,
        path,
      );
      const after = await handle.stat({ bigint: true });
      if (!isSame(before, after)) throw changed(path);
      return { ...this.#baseOf(path, after), kind: 'file', sizeBytes, chunkHashes };
    } finally {
      await handle.close();
    }
  }

  #place(path: ByteText): Buffer {
    if (path === rootPath) return this.#folder;
    return Buffer.concat([this.#folder, Buffer.from('/'), bytesOfText(path)]);
  }
}

async function* contentOf(
  handle: FileHandle,
  sizeBytes: number,
  path: ByteText,
): AsyncGenerator<Uint8Array, void, void> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(sizeBytes, chunkBytes));
  for (let at = 0; at < sizeBytes;) {
    const wanted = Math.min(buffer.length, sizeBytes - at);
    const { bytesRead } = await reading(path, () => handle.read(buffer, 0, wanted, at));
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

function isSame(before: BigIntStats, after: BigIntStats): boolean {
  return (
    before.size === after.size &&
    before.mtimeNs === after.mtimeNs &&
    before.ctimeNs === after.ctimeNs
  );
}

/** How Linux puts the two numbers of a device into one. */
function deviceNumbersOf(rdev: bigint): { readonly major: number; readonly minor: number } {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xffff_f000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffff_ff00n);
  return { major: Number(major), minor: Number(minor) };
}

function statOf(place: Buffer, path: ByteText): Promise<BigIntStats> {
  return reading(path, () => lstat(place, { bigint: true }));
}

async function reading<T>(path: ByteText, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isGone = errorCode(error) === 'ENOENT' && path !== rootPath;
    throw isGone ? changed(path, error) : unreadable(path, String(errorCode(error)), error);
  }
}

function changed(path: ByteText, cause?: unknown): GridError<FlistErrorCode> {
  const shown = shownText(path);
  return new GridError('FLIST_FILE_CHANGED', `${shown} has changed while it was read`, {
    hint: 'stop what writes to the folder, then try again',
    retryable: true,
    details: { path: shown },
    ...(cause === undefined ? {} : { cause }),
  });
}

function unreadable(path: ByteText, why: string, cause?: unknown): GridError<FlistErrorCode> {
  const shown = path === rootPath ? 'the folder' : shownText(path);
  return new GridError('FLIST_FILE_UNREADABLE', `${shown} cannot be read: ${why}`, {
    hint: 'see whether it is there and may be read',
    details: { path: shown },
    ...(cause === undefined ? {} : { cause }),
  });
}
