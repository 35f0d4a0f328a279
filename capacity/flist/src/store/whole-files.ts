import { isGridError, throwIfAborted } from '@commongrid/base';
import type { TaskGroup } from '@commongrid/base';

import type { ObjectId } from '../format/object-id.ts';
import { chunkBytes } from '../tree/inode.ts';
import type { RegularFile } from '../tree/inode.ts';
import { ChunkJoiner, joinedChunksMax } from './chunk-joiner.ts';
import type { ChunkPlaces } from './chunk-places.ts';
import type { ChunkSupply } from './chunk-supply.ts';
import { chunkCountOf, chunkSizeOf, hashAt } from './file-chunks.ts';
import type { JoinPiece } from './join-worker.ts';
import { writeBytes } from './object-files.ts';
import type { EntryKey, ObjectLedger } from './object-ledger.ts';
import type { StoreShelf } from './store-shelf.ts';

export interface WholeFilesOptions {
  readonly ledger: ObjectLedger;
  readonly places: ChunkPlaces;
  readonly shelf: StoreShelf;
  readonly supply: ChunkSupply;
  /** Of a file of the store. */
  readonly pathOf: (key: EntryKey) => string;
  /** Where files are completed that nobody waits for. */
  readonly tasks: TaskGroup;
}

/** Files up to this size are fetched whole once one of their chunks was. */
export const completedFileBytesMax = 4 * 1024 * 1024;

/** Files that are completed in the background at a time. */
export const finishingMax = 64;

/** Makes files whole whose chunks are here, which overlays then read natively. */
export class WholeFiles {
  readonly #options: WholeFilesOptions;
  readonly #joiner = new ChunkJoiner();
  readonly #promoting = new Map<ObjectId, Promise<boolean>>();
  readonly #finishing = new Set<ObjectId>();

  constructor(options: WholeFilesOptions) {
    this.#options = options;
  }

  has(id: ObjectId): boolean {
    return this.#options.ledger.has({ kind: 'object', name: id });
  }

  /** Makes the file whole if all its chunks are here. Returns whether it is whole. */
  async promoteIfWhole(file: RegularFile, id: ObjectId): Promise<boolean> {
    if (this.has(id)) return true;
    if (!this.#options.places.hasAll(file, id)) return false;
    const running = this.#promoting.get(id);
    if (running !== undefined) return running;
    const promotion = this.#promote(file, id).finally(() => this.#promoting.delete(id));
    this.#promoting.set(id, promotion);
    return promotion;
  }

  /** Makes a small file whole, and a large one of which all is here; nobody waits for it. */
  finishLater(file: RegularFile, id: ObjectId): void {
    const { places, supply, tasks } = this.#options;
    if (this.#finishing.has(id) || this.#finishing.size >= finishingMax) return;
    if (this.has(id) || tasks.signal.aborted) return;
    if (file.sizeBytes > completedFileBytesMax && !places.hasAll(file, id)) return;
    this.#finishing.add(id);
    tasks.start('completing a file', async (signal) => {
      try {
        await supply.bring(id, 0, chunkCountOf(file), { signal, priority: 'ahead' });
        await this.promoteIfWhole(file, id);
      } catch (error) {
        if (!isGridError(error)) throw error;
      } finally {
        this.#finishing.delete(id);
      }
    });
  }

  async #promote(file: RegularFile, id: ObjectId): Promise<boolean> {
    const { shelf } = this.#options;
    const hashes = Array.from({ length: chunkCountOf(file) }, (_, index) => hashAt(file, index));
    try {
      await shelf.place({ kind: 'object', name: id }, file.sizeBytes, hashes, (fd) =>
        this.#write(fd, file, id),
      );
    } catch (error) {
      // It can be read from its chunks as well.
      const isHarmless = isGridError(error) && harmlessCodes.has(error.code);
      if (isHarmless) return false;
      throw error;
    }
    for (const hash of hashes) shelf.drop({ kind: 'chunk', name: hash });
    return true;
  }

  /** A short file is written here: a thread begins in the time that many of them take. */
  async #write(fd: number, file: RegularFile, id: ObjectId): Promise<void> {
    const { signal } = this.#options.tasks;
    const count = chunkCountOf(file);
    const isLong = file.sizeBytes > completedFileBytesMax;
    for (let first = 0; first < count; first += joinedChunksMax) {
      throwIfAborted(signal);
      const end = Math.min(count, first + joinedChunksMax);
      const pieces = isLong ? this.#piecesOf(file, id, first, end) : undefined;
      const position = first * chunkBytes;
      if (pieces !== undefined && (await this.#joiner.join(fd, position, pieces))) continue;
      await this.#writeEach(fd, id, first, end);
    }
  }

  /** Where the chunks are; undefined when one has gone meanwhile. */
  #piecesOf(
    file: RegularFile,
    id: ObjectId,
    first: number,
    end: number,
  ): readonly JoinPiece[] | undefined {
    const { places, pathOf } = this.#options;
    const pieces: JoinPiece[] = [];
    for (let index = first; index < end; index++) {
      const place = places.find(id, index);
      if (place === undefined) return undefined;
      const { key, offset } = place;
      const sizeBytes = chunkSizeOf(file, index);
      pieces.push({ path: pathOf(key), offset, sizeBytes, hash: hashAt(file, index) });
    }
    return pieces;
  }

  /** One by one: what is damaged or gone is fetched again. */
  async #writeEach(fd: number, id: ObjectId, first: number, end: number): Promise<void> {
    const { supply, tasks } = this.#options;
    for (let index = first; index < end; index++) {
      const bytes = await supply.read(id, index, { signal: tasks.signal });
      await writeBytes(fd, bytes, index * chunkBytes);
    }
  }
}

/** Why a file stays in chunks, from which it can be read as well. */
const harmlessCodes: ReadonlySet<string> = new Set([
  'FLIST_STORE_FULL',
  'FLIST_DISK_FULL',
  'FLIST_CHUNK_UNAVAILABLE',
]);
