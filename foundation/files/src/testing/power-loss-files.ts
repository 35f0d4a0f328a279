import fs from 'node:fs';
import path from 'node:path';
import type { Random } from '@commongrid/base';
import type { Files } from '../files.ts';
import { type DiskCall, DiskModel, type InitialFile } from './disk-model.ts';
import { later } from './faulty-files.ts';

export interface PowerLossOptions {
  /** An existing folder; only what happens below it is recorded. What it holds counts as durable. */
  readonly root: string;
  /** Makes each of the first syncs take this long, so that the log takes its path for slow disks. */
  readonly slowSyncMs?: number;
}

/** How many syncs are slow with `slowSyncMs`. */
const SLOW_SYNCS = 3;

/**
 * Files over a real folder that record every call that changes something, so that crashImage() can
 * build what the disk may hold had the power gone at any of them. Syncs reach the record only.
 */
export class PowerLossFiles {
  readonly root: string;
  readonly files: Files;
  /** Every call so far, oldest first. */
  readonly trace: DiskCall[] = [];
  readonly #initial: InitialFile[] = [];
  readonly #slowSyncMs: number;
  #syncs = 0;
  /** Real inode -> number of the file in the trace; descriptor -> the same, or a folder's path. */
  readonly #known = new Map<string, number>();
  readonly #open = new Map<number, { file: number; folder: string | undefined }>();
  #nextFile = 1;
  #callsToLive = Number.POSITIVE_INFINITY;
  #lastKind: DiskCall['kind'] | undefined;
  #failingSyncs = 0;
  #cursor: DiskModel | undefined;

  constructor(options: PowerLossOptions) {
    this.root = options.root;
    this.#slowSyncMs = options.slowSyncMs ?? 0;
    this.#adopt('');
    this.files = this.#makeFiles();
  }

  #adopt(folder: string): void {
    for (const entry of fs.readdirSync(path.join(this.root, folder), { withFileTypes: true })) {
      const relative = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        this.trace.push({ kind: 'mkdir', path: relative });
        this.trace.push({ kind: 'sync-folder', path: folder, begin: this.trace.length });
        this.#adopt(relative);
        continue;
      }
      const full = path.join(this.root, relative);
      const file = this.#nextFile++;
      this.#known.set(relative, file);
      this.#initial.push({ path: relative, file, bytes: fs.readFileSync(full) });
    }
  }

  /** Notes something in the trace; marksBefore() gives it back. */
  mark(value: unknown): void {
    this.trace.push({ kind: 'mark', value });
  }

  /** What was marked before a call. */
  marksBefore(callIndex: number): unknown[] {
    const marks: unknown[] = [];
    for (let i = 0; i < callIndex; i++) {
      const call = this.trace[i];
      if (call?.kind === 'mark') marks.push(call.value);
    }
    return marks;
  }

  /** From now on every call that would change something fails, as if the process were dead. */
  kill(): void {
    this.#callsToLive = 0;
  }

  /** Lets so many calls that change something through, then kills. */
  killAfter(calls: number): void {
    this.#callsToLive = calls;
  }

  /** Kills right after the next call of a kind. */
  killAfterNext(kind: DiskCall['kind']): void {
    this.#lastKind = kind;
  }

  /** A new process: calls work again; what was written is seen, synced or not. */
  revive(): void {
    this.#callsToLive = Number.POSITIVE_INFINITY;
  }

  /** The next sync of a file fails with EIO, and what it should have synced stays in memory only. */
  failNextSync(): void {
    this.#failingSyncs++;
  }

  /** Whether a sync that is still to come fails: whoever syncs first takes the failure. */
  get isNextSyncFailing(): boolean {
    return this.#failingSyncs > 0;
  }

  /**
   * Writes to the empty folder `target` what the disk may hold after the first `callIndex` calls.
   * @param ignoreSyncs as if fdatasync and fsync of files did nothing
   */
  crashImage(callIndex: number, random: Random, target: string, ignoreSyncs = false): void {
    const model = this.#modelAt(callIndex, ignoreSyncs);
    for (const [relative, bytes] of model.afterCrash(random)) {
      const full = path.join(target, relative);
      fs.mkdirSync(path.dirname(full), { recursive: true });
      fs.writeFileSync(full, bytes);
    }
  }

  /** Going forward is cheap, going back begins anew. */
  #modelAt(callIndex: number, ignoreSyncs: boolean): DiskModel {
    const kept = ignoreSyncs ? undefined : this.#cursor;
    const model =
      kept !== undefined && kept.position <= callIndex ? kept : new DiskModel(this.#initial);
    while (model.position < callIndex) {
      const call = this.trace[model.position] as DiskCall;
      model.take(ignoreSyncs && call.kind === 'sync' ? { kind: 'mark', value: 'skipped' } : call);
    }
    if (!ignoreSyncs) this.#cursor = model;
    return model;
  }

  // The calls.

  #relative(target: fs.PathLike): string {
    return path.relative(this.root, target.toString());
  }

  #record(call: DiskCall): void {
    this.trace.push(call);
    if (call.kind !== this.#lastKind) return;
    this.#lastKind = undefined;
    this.kill();
  }

  #alive(): void {
    if (this.#callsToLive <= 0) throw errorWith('EIO', 'the process was killed');
    this.#callsToLive--;
  }

  #openSync(target: fs.PathLike, flags?: fs.OpenMode, mode?: fs.Mode | null): number {
    const isWriting = flags !== undefined && flags !== 'r' && flags !== 'r+';
    if (isWriting) this.#alive();
    const relative = this.#relative(target);
    const fd = fs.openSync(target, flags ?? 'r', mode);
    if (fs.fstatSync(fd).isDirectory()) {
      this.#open.set(fd, { file: 0, folder: relative });
      return fd;
    }
    let file = this.#known.get(relative);
    if (file === undefined) {
      file = this.#nextFile++;
      this.#known.set(relative, file);
      this.#record({ kind: 'create', path: relative, file });
    } else if (flags === 'w' || flags === 'w+') {
      this.#record({ kind: 'truncate', file, sizeBytes: 0 });
    }
    this.#open.set(fd, { file, folder: undefined });
    return fd;
  }

  #wrote(fd: number, bytes: NodeJS.ArrayBufferView, at: number, length: number, to: number): void {
    const copy = Buffer.from(new Uint8Array(bytes.buffer, bytes.byteOffset + at, length));
    this.#record({ kind: 'write', file: this.#fileOf(fd), position: to, bytes: copy });
  }

  #fileOf(fd: number): number {
    const open = this.#open.get(fd);
    if (open === undefined) throw new Error(`descriptor ${fd} was not opened through these files`);
    return open.file;
  }

  #sync(fd: number, begin: number): void {
    this.#alive();
    const open = this.#open.get(fd);
    if (open?.folder !== undefined) {
      this.#record({ kind: 'sync-folder', path: open.folder, begin });
      return;
    }
    const file = this.#fileOf(fd);
    if (this.#failingSyncs > 0) {
      this.#failingSyncs--;
      this.#record({ kind: 'sync-failed', file });
      throw errorWith('EIO', 'sync failed');
    }
    this.#record({ kind: 'sync', file, begin });
  }

  #syncSync(fd: number): void {
    if (this.#slowSyncMs > 0 && this.#syncs++ < SLOW_SYNCS) {
      const until = performance.now() + this.#slowSyncMs;
      while (performance.now() < until);
    }
    this.#sync(fd, this.trace.length);
  }

  #syncLater(fd: number, done: Done): void {
    const begin = this.trace.length;
    later(done, () => this.#sync(fd, begin));
  }

  #renameSync(from: fs.PathLike, to: fs.PathLike): void {
    this.#alive();
    fs.renameSync(from, to);
    const file = this.#known.get(this.#relative(from));
    if (file === undefined) throw new Error(`${from.toString()} was not made through these files`);
    this.#known.delete(this.#relative(from));
    this.#known.set(this.#relative(to), file);
    this.#record({ kind: 'rename', from: this.#relative(from), to: this.#relative(to) });
  }

  #mkdirSync(target: fs.PathLike, options: unknown): void {
    this.#alive();
    fs.mkdirSync(target, options as fs.MakeDirectoryOptions);
    this.#record({ kind: 'mkdir', path: this.#relative(target) });
  }

  #makeFiles(): Files {
    const wrapped = { ...readingCalls(), ...this.#dataCalls(), ...this.#nameCalls() };
    // The store uses one form of each overloaded call: the one that stands here.
    const checked: Record<keyof Files, unknown> = wrapped;
    return checked as unknown as Files;
  }

  #nameCalls() {
    return {
      openSync: (target: fs.PathLike, flags?: fs.OpenMode, mode?: fs.Mode | null) =>
        this.#openSync(target, flags, mode),
      closeSync: (fd: number) => {
        this.#open.delete(fd);
        fs.closeSync(fd);
      },
      renameSync: (from: fs.PathLike, to: fs.PathLike) => this.#renameSync(from, to),
      unlinkSync: (target: fs.PathLike) => {
        this.#alive();
        fs.unlinkSync(target);
        this.#known.delete(this.#relative(target));
        this.#record({ kind: 'unlink', path: this.#relative(target) });
      },
      mkdirSync: (target: fs.PathLike, options: unknown) => this.#mkdirSync(target, options),
    };
  }

  #dataCalls() {
    type Bytes = NodeJS.ArrayBufferView;
    const writeSync = (fd: number, bytes: Bytes, at: number, length: number, to: number) => {
      this.#alive();
      this.#wrote(fd, bytes, at, length, to);
      return fs.writeSync(fd, bytes, at, length, to);
    };
    const writevSync = (fd: number, parts: readonly Bytes[], to: number) => {
      this.#alive();
      let done = 0;
      for (const part of parts) {
        this.#wrote(fd, part, 0, part.byteLength, to + done);
        done += part.byteLength;
      }
      return fs.writevSync(fd, parts, to);
    };
    return {
      writeSync,
      writevSync,
      write: (fd: number, bytes: Bytes, at: number, length: number, to: number, done: Done) => {
        later(done, () => writeSync(fd, bytes, at, length, to));
      },
      writev: (fd: number, parts: readonly Bytes[], to: number, done: Done) => {
        later(done, () => writevSync(fd, parts, to));
      },
      fdatasyncSync: (fd: number) => this.#syncSync(fd),
      fsyncSync: (fd: number) => this.#syncSync(fd),
      fdatasync: (fd: number, done: Done) => this.#syncLater(fd, done),
      fsync: (fd: number, done: Done) => this.#syncLater(fd, done),
      ftruncateSync: (fd: number, sizeBytes?: number) => {
        this.#alive();
        fs.ftruncateSync(fd, sizeBytes);
        this.#record({ kind: 'truncate', file: this.#fileOf(fd), sizeBytes: sizeBytes ?? 0 });
      },
    };
  }
}

type Done = (error: Error | null, count: number) => void;

/** Calls that change nothing. */
function readingCalls() {
  const { readSync, read, readdirSync, fstatSync, existsSync, statfsSync } = fs;
  return { readSync, read, readdirSync, fstatSync, existsSync, statfsSync };
}

function errorWith(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}
