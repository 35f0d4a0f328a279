import fs from 'node:fs';
import type { Files } from '../files.ts';

/** A call that a test may let fail. `path` is that of the file, also for calls by descriptor. */
export interface FaultyCall {
  readonly name: 'open' | 'read' | 'write' | 'sync' | 'truncate' | 'rename' | 'unlink';
  readonly path: string;
  readonly position: number;
  readonly length: number;
}

/** What becomes of a call: an error code, a short read or write of so many bytes, or nothing. */
export type Fault = { readonly code: string } | { readonly shortBytes: number } | undefined;

/**
 * Real files, except that `fault` is asked before every call. The file system's own syncs are left
 * out: tests with it are about errors, not about power.
 */
export function faultyFiles(fault: (call: FaultyCall) => Fault): Files {
  const paths = new Map<number, string>();
  const pathOf = (fd: number): string => paths.get(fd) ?? '';
  /** Bytes that the call may handle. @throws what the test asked for */
  const judge = (name: FaultyCall['name'], path: string, length = 0, position = 0): number => {
    const found = fault({ name, path, length, position });
    if (found === undefined) return length;
    if ('shortBytes' in found) return Math.min(length, found.shortBytes);
    throw Object.assign(new Error(`${found.code}: ${name} ${path}`), { code: found.code });
  };
  type Done = (error: Error | null, count: number) => void;
  const wrapped = {
    ...{ closeSync: fs.closeSync, mkdirSync: fs.mkdirSync, readdirSync: fs.readdirSync },
    ...{ fstatSync: fs.fstatSync, existsSync: fs.existsSync, statfsSync: fs.statfsSync },
    openSync: (path: string, flags: string, mode?: number) => {
      judge('open', path);
      const fd = fs.openSync(path, flags, mode);
      paths.set(fd, path);
      return fd;
    },
    readSync: (fd: number, bytes: Uint8Array, at: number, length: number, from: number) =>
      fs.readSync(fd, bytes, at, judge('read', pathOf(fd), length, from), from),
    writeSync: (fd: number, bytes: Uint8Array, at: number, length: number, to: number) =>
      fs.writeSync(fd, bytes, at, judge('write', pathOf(fd), length, to), to),
    writevSync: (fd: number, parts: readonly Uint8Array[], to: number) => {
      judge('write', pathOf(fd), 0, to);
      return fs.writevSync(fd, parts, to);
    },
    read: (fd: number, bytes: Uint8Array, at: number, length: number, from: number, done: Done) => {
      later(done, () => wrapped.readSync(fd, bytes, at, length, from));
    },
    write: (fd: number, bytes: Uint8Array, at: number, length: number, to: number, done: Done) => {
      later(done, () => wrapped.writeSync(fd, bytes, at, length, to));
    },
    writev: (fd: number, parts: readonly Uint8Array[], to: number, done: Done) => {
      later(done, () => wrapped.writevSync(fd, parts, to));
    },
    fdatasyncSync: (fd: number) => void judge('sync', pathOf(fd)),
    fsyncSync: (fd: number) => void judge('sync', pathOf(fd)),
    fdatasync: (fd: number, done: Done) => {
      later(done, () => judge('sync', pathOf(fd)));
    },
    fsync: (fd: number, done: Done) => {
      later(done, () => judge('sync', pathOf(fd)));
    },
    ftruncateSync: (fd: number, sizeBytes: number) => {
      judge('truncate', pathOf(fd));
      fs.ftruncateSync(fd, sizeBytes);
    },
    renameSync: (from: string, to: string) => {
      judge('rename', from);
      fs.renameSync(from, to);
    },
    unlinkSync: (path: string) => {
      judge('unlink', path);
      fs.unlinkSync(path);
    },
  };
  // The store uses one form of each overloaded call: the one that stands here.
  const checked: Record<keyof Files, unknown> = wrapped;
  return checked as unknown as Files;
}

/** Does `work` in a later turn and hands its outcome to a Node callback. */
export function later(
  done: (error: Error | null, count: number) => void,
  work: () => number | void,
): void {
  setImmediate(() => {
    let count: number;
    try {
      count = work() ?? 0;
    } catch (error) {
      done(error as Error, 0);
      return;
    }
    done(null, count);
  });
}
