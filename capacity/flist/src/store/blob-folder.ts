import fs from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, Mutex, syncFolder } from '@commongrid/base';

import type { ChunkHash } from '../ports.ts';
import { fannedPath, makeFannedFolder } from './fanned-folder.ts';
import { Gate } from './gate.ts';

/** Packed chunks that wait for their sync; then the writer waits. */
const unsyncedChunksMax = 1_024;

/** Their bytes. */
const unsyncedBytesMax = 128 * 1024 * 1024;

/** Files that are synced at a time; the thread pool has no more threads. */
const syncsMax = 4;

/**
 * Packed chunks by hash. A chunk is a file in `temp/` until `sync`, which syncs many at a time and
 * then gives them their names: a name in `blobs/` always means a whole file on disk.
 */
export class BlobFolder {
  readonly #blobs: string;
  readonly #temp: string;
  readonly #graceMs: number;
  /** Written, not yet synced. */
  readonly #unsynced = new Map<ChunkHash, { readonly path: string; readonly sizeBytes: number }>();
  #unsyncedBytes = 0;
  readonly #syncing = new Mutex();
  #nextTemp = 0;

  private constructor(folder: string, graceMs: number) {
    this.#blobs = join(folder, 'blobs');
    this.#temp = join(folder, 'temp');
    this.#graceMs = graceMs;
  }

  static async open(folder: string, graceMs: number): Promise<BlobFolder> {
    const blobs = new BlobFolder(folder, graceMs);
    await rm(blobs.#temp, { recursive: true, force: true });
    await mkdir(blobs.#temp, { recursive: true, mode: 0o700 });
    await makeFannedFolder(blobs.#blobs);
    await syncFolder(blobs.#blobs);
    await syncFolder(folder);
    return blobs;
  }

  get path(): string {
    return this.#blobs;
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
    const path = join(this.#temp, `${this.#nextTemp++}`);
    try {
      await writeFile(path, packed, { flag: 'wx', mode: 0o600 });
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    const other = this.#unsynced.get(hash);
    if (other !== undefined) {
      await rm(path);
      return;
    }
    this.#unsynced.set(hash, { path, sizeBytes: packed.length });
    this.#unsyncedBytes += packed.length;
    const isMuch = this.#unsyncedBytes > unsyncedBytesMax;
    if (isMuch || this.#unsynced.size > unsyncedChunksMax) await this.sync();
  }

  /** Returns once all chunks that were written before are there for good. */
  sync(): Promise<void> {
    return this.#syncing.run(async () => {
      const batch = [...this.#unsynced];
      const gate = new Gate(syncsMax);
      await Promise.all(batch.map(([hash]) => gate.run(() => this.#syncFile(hash))));
      const folders = new Set<string>();
      for (const [hash, { path, sizeBytes }] of batch) {
        await rename(path, fannedPath(this.#blobs, hash));
        this.#unsynced.delete(hash);
        this.#unsyncedBytes -= sizeBytes;
        folders.add(join(this.#blobs, hash.slice(0, 2)));
      }
      await Promise.all([...folders].map((folder) => gate.run(() => syncFolder(folder))));
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

  /** After a failed sync nobody knows what is on disk: the chunk has to be put again. */
  async #syncFile(hash: ChunkHash): Promise<void> {
    const waiting = this.#unsynced.get(hash);
    if (waiting === undefined) return;
    try {
      await syncFile(waiting.path);
    } catch (error) {
      this.#unsynced.delete(hash);
      this.#unsyncedBytes -= waiting.sizeBytes;
      await rm(waiting.path, { force: true });
      throw error;
    }
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
