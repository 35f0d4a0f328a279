import fs from 'node:fs';
import path from 'node:path';
import { errorCode } from '@commongrid/base';

/**
 * The part of node:fs that the store uses. The real one is node:fs itself; the power-loss tests pass
 * one that records every call and builds what a disk may hold after the power went.
 */
export type Files = Pick<
  typeof fs,
  | 'openSync'
  | 'closeSync'
  | 'readSync'
  | 'writeSync'
  | 'writevSync'
  | 'fdatasyncSync'
  | 'fsync'
  | 'fsyncSync'
  | 'ftruncateSync'
  | 'renameSync'
  | 'unlinkSync'
  | 'mkdirSync'
  | 'readdirSync'
  | 'fstatSync'
  | 'existsSync'
  | 'statfsSync'
  | 'read'
  | 'write'
  | 'writev'
  | 'fdatasync'
>;

/** The machine's own files. */
export const realFiles: Files = fs;

/** Makes the names in a folder durable: files created in it, renamed and removed. */
export function syncFolder(files: Files, folder: string): void {
  const fd = files.openSync(folder, 'r');
  try {
    files.fsyncSync(fd);
  } finally {
    files.closeSync(fd);
  }
}

/** Makes a folder and what is missing above it; they are there for good when this returns. */
export function makeFolder(files: Files, folder: string): void {
  const target = path.resolve(folder);
  if (files.existsSync(target)) return;
  const parent = path.dirname(target);
  makeFolder(files, parent);
  // Not with `recursive`: under /proc and the like Node would try for ever.
  files.mkdirSync(target, { mode: 0o700 });
  syncFolder(files, parent);
}

/** Opens a file to read it and, unless the file system forbids that, to write it. */
export function openExisting(files: Files, target: string): number {
  try {
    return files.openSync(target, 'r+');
  } catch (error) {
    if (errorCode(error) !== 'EROFS') throw error;
    return files.openSync(target, 'r');
  }
}

/** Promise form of syncFolder. */
export async function syncFolderAsync(files: Files, folder: string): Promise<void> {
  const fd = files.openSync(folder, 'r');
  try {
    // Not fdatasync, which need not bring a folder's names to disk.
    await new Promise<void>((resolve, reject) => {
      files.fsync(fd, (error) => (error ? reject(error) : resolve()));
    });
  } finally {
    files.closeSync(fd);
  }
}

/** Replaces a file whole: written beside it, synced, renamed over it, the folder synced. */
export function replaceFile(files: Files, target: string, bytes: Buffer): void {
  const beside = `${target}.new`;
  const fd = files.openSync(beside, 'w', 0o600);
  try {
    writeAll(files, fd, bytes, 0);
    files.fdatasyncSync(fd);
  } finally {
    files.closeSync(fd);
  }
  files.renameSync(beside, target);
  syncFolder(files, path.dirname(target));
}

/** Reads a file whole. */
export function readWhole(files: Files, target: string): Buffer {
  const fd = files.openSync(target, 'r');
  try {
    const bytes = Buffer.allocUnsafeSlow(files.fstatSync(fd).size);
    const got = readUpTo(files, fd, bytes, 0, bytes.length, 0);
    return bytes.subarray(0, got);
  } finally {
    files.closeSync(fd);
  }
}

/** Promise form of readWhole. */
export async function readWholeAsync(files: Files, target: string): Promise<Buffer> {
  const fd = files.openSync(target, 'r');
  try {
    const bytes = Buffer.allocUnsafeSlow(files.fstatSync(fd).size);
    let done = 0;
    while (done < bytes.length) {
      const got = await readAsync(files, fd, bytes, done, bytes.length - done, done);
      if (got === 0) break;
      done += got;
    }
    return bytes.subarray(0, done);
  } finally {
    files.closeSync(fd);
  }
}

/** Reads until `length` bytes are there or the file ends; returns how many were read. */
export function readUpTo(
  files: Files,
  fd: number,
  bytes: Uint8Array,
  at: number,
  length: number,
  position: number,
): number {
  let done = 0;
  while (done < length) {
    const got = files.readSync(fd, bytes, at + done, length - done, position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

/** Writes all of `bytes` at a position, going on after short writes. */
export function writeAll(files: Files, fd: number, bytes: Uint8Array, position: number): void {
  let done = 0;
  while (done < bytes.length) {
    done += files.writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}

/** Writes pieces one after the other with one call, going on after a short write. */
export function writePieces(
  files: Files,
  fd: number,
  pieces: readonly Buffer[],
  position: number,
): void {
  let rest: readonly Buffer[] = pieces;
  let at = position;
  while (rest.length > 0) {
    const wrote = files.writevSync(fd, rest, at);
    at += wrote;
    rest = piecesAfter(rest, wrote);
  }
}

/** Promise form of writePieces. */
export async function writePiecesAsync(
  files: Files,
  fd: number,
  pieces: readonly Buffer[],
  position: number,
): Promise<void> {
  let rest: readonly Buffer[] = pieces;
  let at = position;
  while (rest.length > 0) {
    const wrote = await new Promise<number>((resolve, reject) => {
      files.writev(fd, rest as Buffer[], at, (error, bytes) => {
        if (error) reject(error);
        else resolve(bytes);
      });
    });
    at += wrote;
    rest = piecesAfter(rest, wrote);
  }
}

function piecesAfter(pieces: readonly Buffer[], wrote: number): Buffer[] {
  const rest: Buffer[] = [];
  let skip = wrote;
  for (const piece of pieces) {
    if (skip >= piece.length) skip -= piece.length;
    else {
      rest.push(skip === 0 ? piece : piece.subarray(skip));
      skip = 0;
    }
  }
  return rest;
}

/** Promise form of a positioned read; resolves with the number of bytes read, which may be short. */
export function readAsync(
  files: Files,
  fd: number,
  bytes: Uint8Array,
  at: number,
  length: number,
  position: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    files.read(fd, bytes, at, length, position, (error, got) => {
      if (error) reject(error);
      else resolve(got);
    });
  });
}

/** Promise form of a whole positioned write. */
export function writeAsync(
  files: Files,
  fd: number,
  bytes: Uint8Array,
  length: number,
  position: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const step = (done: number): void => {
      files.write(fd, bytes, done, length - done, position + done, (error, wrote) => {
        if (error) reject(error);
        else if (done + wrote < length) step(done + wrote);
        else resolve();
      });
    };
    step(0);
  });
}

/** Promise form of fdatasync. */
export function syncAsync(files: Files, fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    files.fdatasync(fd, (error) => (error ? reject(error) : resolve()));
  });
}

/** Makes a file that is there whole or not at all, without stalling other work. */
export async function makeFile(files: Files, target: string, bytes: Buffer): Promise<void> {
  const beside = `${target}.new`;
  const fd = files.openSync(beside, 'w', 0o600);
  try {
    await writeAsync(files, fd, bytes, bytes.length, 0);
    await syncAsync(files, fd);
  } finally {
    files.closeSync(fd);
  }
  files.renameSync(beside, target);
}
