import { GridError } from '@commongrid/base';
import type { BaseErrorCode } from '@commongrid/base';
import { makeFolder, realFiles, syncFolder, syncFolderAsync } from '@commongrid/files';
import type { Files } from '@commongrid/files';
import type { BcdbErrorCode } from '../errors.ts';
import type { LogHead } from '../log/log-engine.ts';
import { batchProof } from './batch-proof.ts';
import { Frontier } from './frontier.ts';
import { hashBytes, isSameHash } from './merkle.ts';
import type { TreeHasher } from './merkle.ts';
import { treeHasher } from './node-hasher.ts';
import { consistencyProof, inclusionProof, rootAt } from './proof.ts';
import type { NodeReader } from './proof.ts';
import { TileCache } from './tile-cache.ts';
import { TileFile } from './tile-file.ts';
import { Tile, tileHeight, tileWidth } from './tile.ts';
import { readMark, removeMark, writeMark } from './tree-mark.ts';

export interface HashStoreOptions {
  /** Holds nothing else. Whoever owns the log owns it too: it has no lock of its own. */
  readonly folder: string;
  /** Head of the log: what the hashes must come to. */
  readonly head: LogHead;
  /** Hashes of the leaves `[from, to)` in order, made from the log itself, in groups. */
  readonly leafHashes: (from: number, to: number) => AsyncIterable<readonly Uint8Array[]>;
  readonly files?: Files;
}

/**
 * All hashes of the tree that proofs are made of, as C2SP tiles in one flat file for each level.
 *
 * Nothing waits for the disk: the log alone is the truth. Now and then the files are synced behind
 * the appends, and a mark says up to where; what is above it is made again from the log at the next
 * start. A full tile that is read back must hash to what the level above says of it, up to the
 * unfinished tiles, which stay in memory and were held against the head when the store was opened.
 */
export class HashStore implements NodeReader, AsyncDisposable {
  readonly hasher: TreeHasher = treeHasher;
  readonly #folder: string;
  readonly #files: Files;
  /** Of each level: its file, and its last tile, which is not full. */
  #levels: Level[] = [];
  #cache = new TileCache();
  #size = 0;
  #syncedSize = 0;
  #syncing: Promise<void> | undefined;
  #isSyncBroken = false;
  #failure: unknown;
  #closing: Promise<void> | undefined;

  private constructor({ folder, files = realFiles }: HashStoreOptions) {
    this.#folder = folder;
    this.#files = files;
  }

  /**
   * Opens the hashes and brings them to the head of the log: cuts what is too long, makes what is
   * missing, and makes everything anew where the root differs.
   * @throws BCDB_LOG_CORRUPT when the leaves of the log do not hash to its head
   */
  static async open(options: HashStoreOptions): Promise<HashStore> {
    const { head, leafHashes } = options;
    const store = new HashStore(options);
    try {
      makeFolder(store.#files, store.#folder);
      if (!store.#load(head) || !(await store.#catchUp(head, leafHashes))) {
        store.#forgetMark();
        store.#loadAt(0);
        if (!(await store.#catchUp(head, leafHashes))) throw corruptLog(head);
      }
      await store.#sync();
      return store;
    } catch (error) {
      store.#closeFiles();
      throw error;
    }
  }

  /** Leaves in the tree. */
  get size(): number {
    return this.#size;
  }

  /**
   * Adds leaf hashes, which may be on their way into the log still: a store that got ahead of it is
   * cut back when it is opened.
   * @throws BCDB_TREE_STOPPED after a failure to write: open it again
   */
  append(leafHashes: readonly Uint8Array[]): void {
    this.#requireOpen();
    if (this.#failure !== undefined) throw this.#stopped();
    if (leafHashes.length === 0) return;
    try {
      this.#levelAt(0).file.append(joined(leafHashes));
      for (const leafHash of leafHashes) this.#push(0, leafHash);
    } catch (error) {
      this.#failure = error;
      throw this.#stopped();
    }
    this.#size += leafHashes.length;
    if (this.#size - this.#syncedSize >= unsyncedLeavesMax) void this.#sync();
  }

  /** @throws BCDB_SEQ_UNKNOWN, BCDB_TREE_DAMAGED */
  leafHash(seq: number): Uint8Array {
    if (Number.isSafeInteger(seq) && seq >= 0 && seq < this.#size) return this.node(0, seq);
    throw notYet(`no leaf ${seq} yet, ${this.#size} so far`);
  }

  /** Root over the first `size` leaves. @throws BCDB_SEQ_UNKNOWN, BCDB_TREE_DAMAGED */
  rootAt(size: number): Uint8Array {
    return rootAt(this, size);
  }

  /** Shows that a leaf is in the tree of `size` leaves. @throws BCDB_SEQ_UNKNOWN, BCDB_TREE_DAMAGED */
  inclusionProof(seq: number, size: number): Uint8Array[] {
    return inclusionProof(this, seq, size);
  }

  /** Shows that leaves, ascending, are in the tree. @throws BCDB_SEQ_UNKNOWN, BCDB_TREE_DAMAGED */
  batchProof(seqs: readonly number[], size: number): Uint8Array[] {
    return batchProof(this, seqs, size);
  }

  /** Shows that a tree begins with an older one. @throws BCDB_SEQ_UNKNOWN, BCDB_TREE_DAMAGED */
  consistencyProof(oldSize: number, newSize: number): Uint8Array[] {
    return consistencyProof(this, oldSize, newSize);
  }

  /** The right edge of the tree as it is now, to go on appending beside the store. */
  frontier(): Frontier {
    const hashes: Uint8Array[] = [];
    for (let [rest, height] = [this.#size, 0]; rest > 0; height++) {
      if (rest % 2 === 1) hashes.unshift(this.node(height, rest - 1));
      rest = Math.floor(rest / 2);
    }
    return new Frontier(this.hasher, { size: this.#size, hashes });
  }

  /**
   * The first `width` hashes of a tile, 32 bytes each: what is served under its path.
   * @throws BCDB_SEQ_UNKNOWN when the tree is too small for it, BCDB_TREE_DAMAGED
   */
  tileBytes(level: number, index: number, width: number): Uint8Array {
    const hashes = this.#levels[level]?.file.count ?? 0;
    if (width >= 1 && width <= tileWidth && index * tileWidth + width <= hashes) {
      return this.#tile(level, index).bytes(width);
    }
    throw notYet(`no tile ${index} of level ${level} with ${width} hashes yet`);
  }

  node(height: number, index: number): Uint8Array {
    const level = Math.floor(height / tileHeight);
    const inner = height % tileHeight;
    const perTile = tileWidth / 2 ** inner;
    return this.#tile(level, Math.floor(index / perTile)).node(inner, index % perTile);
  }

  /** Waits for its own work and syncs, so that the next start has nothing to make again. */
  async close(): Promise<void> {
    this.#closing ??= this.#finish();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #finish(): Promise<void> {
    await this.#syncing;
    await this.#sync();
    this.#closeFiles();
  }

  #requireOpen(): void {
    if (this.#closing === undefined) return;
    throw new GridError<BaseErrorCode>('BASE_CLOSED', 'the hashes of the tree are closed');
  }

  /** A tile of which at least one hash exists. */
  #tile(level: number, index: number): Tile {
    const last = this.#levels[level];
    if (last === undefined || index > last.tailIndex) {
      this.#requireOpen();
      throw notYet(`no tile ${index} of level ${level} yet`);
    }
    if (index === last.tailIndex) return last.tail;
    const cached = this.#cache.get(level, index);
    if (cached !== undefined) return cached;
    const bytes = last.file.read(index, tileWidth);
    const tile = new Tile(this.hasher, bytes);
    const root = this.#tile(level + 1, Math.floor(index / tileWidth)).node(0, index % tileWidth);
    if (bytes === undefined || !isSameHash(tile.node(tileHeight, 0), root)) {
      throw this.#damaged(level, index);
    }
    this.#cache.put(level, index, tile);
    return tile;
  }

  /** Without a mark, the next start makes all hashes again. */
  #damaged(level: number, tile: number): GridError<BcdbErrorCode> {
    this.#isSyncBroken = true;
    removeMark(this.#files, this.#folder);
    return new GridError(
      'BCDB_TREE_DAMAGED',
      `tile ${tile} of level ${level} has other hashes now`,
      {
        hint: 'start the log again: it then makes the hashes of its tree anew',
        details: { level, tile },
      },
    );
  }

  /** Puts a hash that is in the file of its level into its tile. */
  #push(at: number, hash: Uint8Array): void {
    const level = this.#levelAt(at);
    level.tail.push(hash);
    if (!level.tail.isFull) return;
    const root = level.tail.node(tileHeight, 0);
    this.#cache.put(at, level.tailIndex, level.tail);
    level.tail = new Tile(this.hasher);
    level.tailIndex++;
    this.#levelAt(at + 1).file.append(root);
    this.#push(at + 1, root);
  }

  #levelAt(index: number): Level {
    const known = this.#levels[index];
    if (known !== undefined) return known;
    const file = new TileFile(this.#files, this.#folder, index);
    file.truncate(0);
    const level: Level = { file, tail: new Tile(this.hasher), tailIndex: 0 };
    this.#levels.push(level);
    return level;
  }

  /** Loads what is known to be on disk and belongs to this log; false when nothing does. */
  #load(head: LogHead): boolean {
    const mark = readMark(this.#files, this.#folder);
    if (mark === undefined) return false;
    const known = mark.size <= head.size ? mark : head;
    if (known !== mark) this.#forgetMark();
    return this.#loadAt(known.size) && isSameHash(this.rootAt(known.size), known.root);
  }

  /**
   * Takes the mark back, for good, before something below it is written again: otherwise a loss of
   * power could leave old and new hashes mixed under a mark that vouches for them.
   */
  #forgetMark(): void {
    removeMark(this.#files, this.#folder);
    syncFolder(this.#files, this.#folder);
  }

  /** Cuts all levels to a size of the log; false when one is too short for it. */
  #loadAt(size: number): boolean {
    this.#closeFiles();
    this.#cache = new TileCache();
    this.#size = 0;
    for (let count = size; count > 0; count = Math.floor(count / tileWidth)) {
      const file = new TileFile(this.#files, this.#folder, this.#levels.length);
      const tailIndex = Math.floor(count / tileWidth);
      const level: Level = { file, tail: new Tile(this.hasher), tailIndex };
      this.#levels.push(level);
      if (file.count < count) return false;
      file.truncate(count);
      const tail = file.read(tailIndex, count % tileWidth);
      if (tail === undefined) return false;
      level.tail = new Tile(this.hasher, tail);
    }
    this.#size = size;
    return true;
  }

  /** Adds what the log has above the store; whether the root is then that of the log. */
  async #catchUp(head: LogHead, leafHashes: HashStoreOptions['leafHashes']): Promise<boolean> {
    if (this.#size < head.size) {
      for await (const group of leafHashes(this.#size, head.size)) this.append(group);
    }
    return this.#size === head.size && isSameHash(this.rootAt(head.size), head.root);
  }

  /** Brings the files to disk, and the mark after them. One at a time; it does not fail. */
  #sync(): Promise<void> {
    if (this.#isSyncBroken) return Promise.resolve();
    this.#syncing ??= this.#syncFiles()
      .catch(() => {
        // What a failed sync did not write may never get to disk, whatever later ones say. The mark
        // stays where it is, and the next start makes the rest again.
        this.#isSyncBroken = true;
      })
      .finally(() => {
        this.#syncing = undefined;
      });
    return this.#syncing;
  }

  async #syncFiles(): Promise<void> {
    const head: LogHead = { size: this.#size, root: this.rootAt(this.#size) };
    this.#syncedSize = head.size;
    for (const { file } of this.#levels) await file.sync();
    await syncFolderAsync(this.#files, this.#folder);
    if (this.#isSyncBroken) return;
    await writeMark(this.#files, this.#folder, head);
  }

  #closeFiles(): void {
    for (const { file } of this.#levels) file.close();
    this.#levels = [];
  }

  #stopped(): GridError<BcdbErrorCode> {
    return new GridError('BCDB_TREE_STOPPED', 'the hashes of the tree take no more leaves', {
      hint: 'see whether the disk has room, then open the log again',
      retryable: true,
      cause: this.#failure,
    });
  }
}

/** Leaves after which the files are synced: what a start makes again at most, and some more. */
export const unsyncedLeavesMax = 1 << 16;

interface Level {
  readonly file: TileFile;
  tail: Tile;
  tailIndex: number;
}

function joined(hashes: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * hashBytes);
  hashes.forEach((hash, index) => bytes.set(hash, index * hashBytes));
  return bytes;
}

function notYet(message: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_SEQ_UNKNOWN', message);
}

function corruptLog({ size }: LogHead): GridError<BcdbErrorCode> {
  return new GridError(
    'BCDB_LOG_CORRUPT',
    `the ${size} leaves of the log do not hash to the root of its head`,
    { hint: 'restore the log from a replica', details: { size } },
  );
}
