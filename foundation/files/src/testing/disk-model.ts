import type { Random } from '@commongrid/base';

/*
 * What a disk may hold after the power went, from the calls that a program made.
 *
 * A file is a table of pages. Every write adds a version to each page that it touches, every change of
 * the size a version of the size; a sync that succeeded makes the versions before it the durable ones.
 * After a crash a page has its durable version or any later one, each page for itself, and so has the
 * size. Names work alike: an entry is created, renamed or removed for certain once its folder was
 * synced, and before that each change has happened or not, each for itself. A rename is atomic.
 */

/** Unit in which a disk keeps or loses what was not synced. */
export const PAGE_BYTES = 4096;

export type DiskCall =
  | { readonly kind: 'create'; readonly path: string; readonly file: number }
  | { readonly kind: 'mkdir'; readonly path: string }
  | {
      readonly kind: 'write';
      readonly file: number;
      readonly position: number;
      readonly bytes: Buffer;
    }
  | { readonly kind: 'truncate'; readonly file: number; readonly sizeBytes: number }
  /** A sync that began as call `begin` has succeeded: what was done before `begin` is on disk. */
  | { readonly kind: 'sync'; readonly file: number; readonly begin: number }
  /** A sync failed: what was not on disk may never get there, although later syncs succeed. */
  | { readonly kind: 'sync-failed'; readonly file: number }
  | { readonly kind: 'sync-folder'; readonly path: string; readonly begin: number }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly path: string }
  | { readonly kind: 'mark'; readonly value: unknown };

/** A file as it was found: names and content are durable. */
export interface InitialFile {
  readonly path: string;
  readonly file: number;
  readonly bytes: Buffer;
}

interface Version<T> {
  readonly index: number;
  readonly value: T;
  /** Written before a sync that failed: later syncs do not bring it to disk. */
  isDoomed: boolean;
}

/** A value on disk, and the later ones that may have replaced it. */
class Versioned<T> {
  durable: T;
  later: Version<T>[] = [];

  constructor(durable: T) {
    this.durable = durable;
  }

  get newest(): T {
    return this.later.at(-1)?.value ?? this.durable;
  }

  get isDoomed(): boolean {
    return this.later.at(-1)?.isDoomed ?? false;
  }

  put(index: number, value: T): void {
    this.later.push({ index, value, isDoomed: false });
  }

  sync(begin: number): void {
    const at = this.later.findLastIndex((one) => one.index < begin && !one.isDoomed);
    const synced = this.later[at];
    if (synced === undefined) return;
    this.durable = synced.value;
    this.later = this.later.slice(at + 1);
  }

  doom(): void {
    for (const version of this.later) version.isDoomed = true;
  }

  afterCrash(choose: (count: number) => number): T {
    if (this.later.length === 0) return this.durable;
    const chosen = choose(this.later.length + 1);
    return chosen === 0 ? this.durable : (this.later[chosen - 1] as Version<T>).value;
  }
}

const NO_PAGE = Buffer.alloc(PAGE_BYTES);

class ModelFile {
  readonly #pages: Versioned<Buffer>[] = [];
  readonly #size: Versioned<number>;

  constructor(bytes: Buffer) {
    this.#size = new Versioned(bytes.length);
    for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
      const page = Buffer.alloc(PAGE_BYTES);
      bytes.copy(page, 0, at, Math.min(bytes.length, at + PAGE_BYTES));
      this.#pages.push(new Versioned<Buffer>(page));
    }
  }

  write(index: number, position: number, bytes: Buffer): void {
    const end = position + bytes.length;
    for (let page = Math.floor(position / PAGE_BYTES); page * PAGE_BYTES < end; page++) {
      const start = page * PAGE_BYTES;
      const versions = this.#page(page);
      const value = Buffer.from(versions.newest);
      const from = Math.max(position, start);
      bytes.copy(
        value,
        from - start,
        from - position,
        Math.min(end, start + PAGE_BYTES) - position,
      );
      versions.put(index, value);
    }
    const size = this.#size;
    // Writing back a page behind the size on disk moves that size, also after a failed sync.
    if (end > size.newest || size.isDoomed) size.put(index, Math.max(end, size.newest));
  }

  truncate(index: number, sizeBytes: number): void {
    for (let page = Math.floor(sizeBytes / PAGE_BYTES); page < this.#pages.length; page++) {
      const keep = Math.max(0, sizeBytes - page * PAGE_BYTES);
      const versions = this.#page(page);
      versions.put(index, Buffer.from(versions.newest).fill(0, keep));
    }
    if (sizeBytes !== this.#size.newest) this.#size.put(index, sizeBytes);
  }

  #page(page: number): Versioned<Buffer> {
    while (this.#pages.length <= page) this.#pages.push(new Versioned<Buffer>(NO_PAGE));
    return this.#pages[page] as Versioned<Buffer>;
  }

  sync(begin: number): void {
    this.#size.sync(begin);
    for (const page of this.#pages) page.sync(begin);
  }

  doom(): void {
    this.#size.doom();
    for (const page of this.#pages) page.doom();
  }

  afterCrash(choose: (count: number) => number): Buffer {
    const bytes = Buffer.alloc(this.#size.afterCrash(choose));
    for (const [page, versions] of this.#pages.entries()) {
      const value = versions.afterCrash(choose);
      if (page * PAGE_BYTES < bytes.length) value.copy(bytes, page * PAGE_BYTES);
    }
    return bytes;
  }
}

/** A change to names that is not on disk for certain. */
interface NameChange {
  readonly index: number;
  readonly folder: string;
  apply(names: Map<string, number>): void;
}

/** Names a folder in the table of names: it has no content of its own. */
const FOLDER = -1;

/** The state of the disk after the first `position` calls of a trace. */
export class DiskModel {
  /** Number of calls that were taken in. */
  position = 0;
  readonly #files = new Map<number, ModelFile>();
  readonly #names = new Map<string, number>();
  #changes: NameChange[] = [];

  constructor(initial: readonly InitialFile[]) {
    for (const { path, file, bytes } of initial) {
      this.#files.set(file, new ModelFile(bytes));
      this.#names.set(path, file);
    }
  }

  take(call: DiskCall): void {
    const index = this.position++;
    switch (call.kind) {
      case 'create':
        this.#files.set(call.file, new ModelFile(Buffer.alloc(0)));
        this.#change(call.path, (names) => names.set(call.path, call.file));
        return;
      case 'mkdir':
        this.#change(call.path, (names) => names.set(call.path, FOLDER));
        return;
      case 'write':
        this.#files.get(call.file)?.write(index, call.position, call.bytes);
        return;
      case 'truncate':
        this.#files.get(call.file)?.truncate(index, call.sizeBytes);
        return;
      case 'sync':
        this.#files.get(call.file)?.sync(call.begin);
        return;
      case 'sync-failed':
        this.#files.get(call.file)?.doom();
        return;
      case 'sync-folder':
        this.#syncFolder(call.path, call.begin);
        return;
      case 'rename':
        this.#rename(call.from, call.to);
        return;
      case 'unlink':
        this.#change(call.path, (names) => names.delete(call.path));
        return;
      case 'mark':
        return;
    }
  }

  #change(path: string, apply: (names: Map<string, number>) => void): void {
    this.#changes.push({ index: this.position - 1, folder: folderOf(path), apply });
  }

  #rename(from: string, to: string): void {
    const names = new Map(this.#names);
    for (const change of this.#changes) change.apply(names);
    const file = names.get(from);
    if (file === undefined) throw new Error(`the trace renames ${from}, which is not there`);
    this.#change(to, (all) => {
      all.delete(from);
      all.set(to, file);
    });
  }

  #syncFolder(path: string, begin: number): void {
    const rest: NameChange[] = [];
    for (const change of this.#changes) {
      if (change.folder === path && change.index < begin) change.apply(this.#names);
      else rest.push(change);
    }
    this.#changes = rest;
  }

  /** One of the many states that the disk may be in after the power went: path -> content. */
  afterCrash(random: Random): Map<string, Buffer> {
    // A loss that hits few pages, half of them, or most finds different faults.
    const lossPercent = [3, 50, 97][random.int(0, 3)] as number;
    const choose = (count: number): number =>
      random.int(0, 100) < lossPercent ? random.int(0, count) : count - 1;
    const names = new Map(this.#names);
    for (const change of this.#changes) if (choose(2) === 1) change.apply(names);
    return this.#content(names, choose);
  }

  /** What a reader sees as long as the machine runs. */
  current(): Map<string, Buffer> {
    const names = new Map(this.#names);
    for (const change of this.#changes) change.apply(names);
    return this.#content(names, (count) => count - 1);
  }

  #content(names: Map<string, number>, choose: (count: number) => number): Map<string, Buffer> {
    const content = new Map<string, Buffer>();
    for (const [path, file] of names) {
      if (file === FOLDER || !isReachable(names, path)) continue;
      content.set(path, (this.#files.get(file) as ModelFile).afterCrash(choose));
    }
    return content;
  }
}

/** Folder of a path that is relative to the root; '' is the root. */
function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function isReachable(names: Map<string, number>, path: string): boolean {
  const folder = folderOf(path);
  return folder === '' || (names.get(folder) === FOLDER && isReachable(names, folder));
}
