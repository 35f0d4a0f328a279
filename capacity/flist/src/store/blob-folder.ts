import fs from 'node:fs';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { Mutex, readIfThere, syncFolder } from '@commongrid/base';

import type { ChunkHash } from '../ports.ts';
import { isHashText } from '../sources/hash-text.ts';
import { fannedNames, fannedPath } from './fanned-folder.ts';
import { Gate } from './gate.ts';
import { nextTurn } from './next-turn.ts';

/** Packed chunks that wait for their sync; then the writer waits. */
const unsyncedChunksMax = 1_024;

/** Their bytes. */
const unsyncedBytesMax = 128 * 1024 * 1024;

/** From so many on they are synced behind the writer's back. */
const behindChunksMin = 256;

/** The same in bytes. */
const behindBytesMin = 16 * 1024 * 1024;

/** Files that are synced behind at a time: half of the thread pool, since others pack with it. */
const syncsBehindMax = 2;

/** Files that are synced at a time when somebody waits; the thread pool has no more threads. */
const syncsMax = 4;

/** Up to here a file is written at once: three trips to the thread pool cost more than the work. */
const inlineBytesMax = 64 * 1024;

/** Files that are renamed before others get a turn. */
const renamesAtOnce = 64;

interface UnsyncedChunk {
  readonly path: string;
  readonly sizeBytes: number;
}

/**
 * Packed chunks by hash. A chunk is a file in `temp/` until it was synced, many in a row and mostly
 * while others are written; then it is given its name: a name in `blobs/` always means a whole file
 * on disk. The names themselves are there for good after `sync`.
 */
export class BlobFolder {
  readonly #blobs: string;
  readonly #temp: string;
  readonly #graceMs: number;
  /** Written, not yet synced. */
  readonly #unsynced = new Map<ChunkHash, UnsyncedChunk>();
  #unsyncedBytes = 0;
  /** Those of the 256 folders that are there. */
  readonly #fans: Set<string>;
  /** Folders with names that may not survive a power cut yet; at first all, after a crash. */
  readonly #unsyncedFolders: Set<string>;
  readonly #syncing = new Mutex();
  #isBehind = false;
  /** Why syncing behind failed, for whoever calls `sync` next. */
  #failure: { readonly error: unknown } | undefined;
  #nextTemp = 0;
  #lostChunks = 0;

  private constructor(folder: string, graceMs: number, fans: readonly string[]) {
    this.#blobs = join(folder, 'blobs');
    this.#temp = join(folder, 'temp');
    this.#graceMs = graceMs;
    this.#fans = new Set(fans);
    this.#unsyncedFolders = new Set([...fans].map((fan) => join(this.#blobs, fan)));
    this.#unsyncedFolders.add(this.#blobs);
  }

  static async open(folder: string, graceMs: number): Promise<BlobFolder> {
    const path = join(folder, 'blobs');
    await mkdir(path, { recursive: true, mode: 0o700 });
    const blobs = new BlobFolder(folder, graceMs, await readdir(path));
    await rm(blobs.#temp, { recursive: true, force: true });
    await mkdir(blobs.#temp, { mode: 0o700 });
    await syncFolder(folder);
    return blobs;
  }

  get path(): string {
    return this.#blobs;
  }

  /** Chunks that were written and then lost, since they could not be synced. It only grows. */
  get lostChunks(): number {
    return this.#lostChunks;
  }

  /** Whether the chunk is there; if so, no collection removes it for the time of the grace. */
  touch(hash: ChunkHash): boolean {
    if (this.#unsynced.has(hash)) return true;
    const path = fannedPath(this.#blobs, hash);
    // Without a pause between the look and the touch, in which a collection could remove it.
    const found = fs.statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return false;
    const nowMs = Date.now();
    if (found.mtimeMs < nowMs - this.#graceMs / 2) fs.utimesSync(path, nowMs / 1000, nowMs / 1000);
    return true;
  }

  async write(hash: ChunkHash, packed: Uint8Array): Promise<void> {
    const path = `${this.#temp}/${this.#nextTemp++}`;
    const options = { flag: 'wx', mode: 0o600 };
    try {
      if (packed.length <= inlineBytesMax) fs.writeFileSync(path, packed, options);
      else await writeFile(path, packed, options);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    if (this.#unsynced.has(hash)) {
      await rm(path);
      return;
    }
    this.#unsynced.set(hash, { path, sizeBytes: packed.length });
    this.#unsyncedBytes += packed.length;
    if (this.#hasMore(unsyncedChunksMax, unsyncedBytesMax)) {
      await this.#syncing.run(() => this.#syncFiles(syncsMax));
    } else if (this.#hasMore(behindChunksMin, behindBytesMin)) {
      void this.#syncBehind();
    }
  }

  /**
   * Returns once all chunks that were written before are there for good.
   * @throws when some are lost, also those of other writers
   */
  sync(): Promise<void> {
    return this.#syncing.run(async () => {
      await this.#syncFiles(syncsMax);
      const gate = new Gate(syncsMax);
      const folders = [...this.#unsyncedFolders];
      await Promise.all(folders.map((folder) => gate.run(() => syncFolder(folder))));
      for (const folder of folders) this.#unsyncedFolders.delete(folder);
      const failure = this.#failure;
      this.#failure = undefined;
      if (failure !== undefined) throw failure.error;
    });
  }

  async read(hash: ChunkHash): Promise<Buffer | undefined> {
    const waiting = this.#unsynced.get(hash)?.path;
    for (const path of [waiting, fannedPath(this.#blobs, hash)]) {
      const packed = path === undefined ? undefined : await readIfThere(path);
      if (packed !== undefined) return packed;
    }
    return undefined;
  }

  /** Those that have their names, in order. */
  async *hashes(): AsyncGenerator<ChunkHash, void> {
    for await (const { name } of fannedNames(this.#blobs)) {
      if (isHashText(name)) yield name as ChunkHash;
    }
  }

  /** Removes a chunk unless it is younger than the grace. Returns its bytes, 0 when it stays. */
  removeOld(hash: ChunkHash): number {
    const path = fannedPath(this.#blobs, hash);
    const found = fs.statSync(path, { throwIfNoEntry: false });
    if (found === undefined || found.mtimeMs > Date.now() - this.#graceMs) return 0;
    fs.unlinkSync(path);
    return found.size;
  }

  async sizeOf(hash: ChunkHash): Promise<number> {
    return (await stat(fannedPath(this.#blobs, hash))).size;
  }

  remove(hash: ChunkHash): Promise<void> {
    return rm(fannedPath(this.#blobs, hash), { force: true });
  }

  #hasMore(chunks: number, bytes: number): boolean {
    return this.#unsynced.size > chunks || this.#unsyncedBytes > bytes;
  }

  /** Never rejects; whoever calls `sync` comes after it. */
  async #syncBehind(): Promise<void> {
    if (this.#isBehind) return;
    this.#isBehind = true;
    try {
      await this.#syncing.run(() => this.#syncFiles(syncsBehindMax));
    } catch (error) {
      this.#failure ??= { error };
    } finally {
      this.#isBehind = false;
    }
  }

  /** Syncs what was written so far, many at a time, and then gives it its names. */
  async #syncFiles(atOnce: number): Promise<void> {
    const gate = new Gate(atOnce);
    const batch = [...this.#unsynced];
    const synced = await Promise.allSettled(
      batch.map(([hash, chunk]) => gate.run(() => this.#syncFile(hash, chunk))),
    );
    let renames = 0;
    for (const [at, [hash, chunk]] of batch.entries()) {
      if (synced[at]?.status !== 'fulfilled') continue;
      this.#name(hash, chunk);
      if (++renames % renamesAtOnce === 0) await nextTurn();
    }
    const failed = synced.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** After a failed sync nobody knows what is on disk: the chunk has to be put again. */
  async #syncFile(hash: ChunkHash, chunk: UnsyncedChunk): Promise<void> {
    try {
      await syncFile(chunk.path);
    } catch (error) {
      this.#lostChunks++;
      this.#forget(hash, chunk);
      await rm(chunk.path, { force: true });
      throw error;
    }
  }

  #name(hash: ChunkHash, chunk: UnsyncedChunk): void {
    const fan = hash.slice(0, 2);
    const folder = join(this.#blobs, fan);
    if (!this.#fans.has(fan)) {
      fs.mkdirSync(folder);
      this.#fans.add(fan);
      this.#unsyncedFolders.add(this.#blobs);
    }
    fs.renameSync(chunk.path, fannedPath(this.#blobs, hash));
    this.#unsyncedFolders.add(folder);
    this.#forget(hash, chunk);
  }

  #forget(hash: ChunkHash, { sizeBytes }: UnsyncedChunk): void {
    this.#unsynced.delete(hash);
    this.#unsyncedBytes -= sizeBytes;
  }
}

const fsync = promisify(fs.fsync);

/** Opens and closes at once: only the sync itself is worth a trip to the thread pool. */
async function syncFile(path: string): Promise<void> {
  const file = fs.openSync(path, 'r');
  try {
    await fsync(file);
  } finally {
    fs.closeSync(file);
  }
}
