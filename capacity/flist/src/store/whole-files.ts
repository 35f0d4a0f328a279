import { isGridError } from '@commongrid/base';
import type { TaskGroup } from '@commongrid/base';

import type { ObjectId } from '../format/object-id.ts';
import type { RegularFile } from '../tree/inode.ts';
import type { ChunkPlaces } from './chunk-places.ts';
import type { ChunkSupply } from './chunk-supply.ts';
import { chunkCountOf, hashAt } from './file-chunks.ts';
import type { ObjectLedger } from './object-ledger.ts';
import type { StoreShelf } from './store-shelf.ts';

export interface WholeFilesOptions {
  readonly ledger: ObjectLedger;
  readonly places: ChunkPlaces;
  readonly shelf: StoreShelf;
  readonly supply: ChunkSupply;
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
      await shelf.place({ kind: 'object', name: id }, file.sizeBytes, hashes, () =>
        this.#piecesOf(file, id),
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

  async *#piecesOf(file: RegularFile, id: ObjectId): AsyncGenerator<Buffer, void> {
    const { supply, tasks } = this.#options;
    for (let index = 0; index < chunkCountOf(file); index++) {
      yield await supply.read(id, index, { signal: tasks.signal });
    }
  }
}

/** Why a file stays in chunks, from which it can be read as well. */
const harmlessCodes: ReadonlySet<string> = new Set([
  'FLIST_STORE_FULL',
  'FLIST_DISK_FULL',
  'FLIST_CHUNK_UNAVAILABLE',
]);
