import type { ObjectId } from '../format/object-id.ts';
import { chunkBytes } from '../tree/inode.ts';
import type { RegularFile } from '../tree/inode.ts';
import { chunkCountOf, hashAt } from './file-chunks.ts';
import type { KnownFlists } from './known-flists.ts';
import type { EntryKey, ObjectLedger } from './object-ledger.ts';
import type { StoreRoom } from './store-room.ts';

/** A file of the store, and where in it a chunk begins. */
export interface Place {
  readonly key: EntryKey;
  readonly offset: number;
}

/** Files whose missing chunk is remembered. */
const hintsMax = 4_096;

/** Finds chunks in the store: in the whole file, on their own, or within another whole file. */
export class ChunkPlaces {
  readonly #ledger: ObjectLedger;
  readonly #flists: KnownFlists;
  readonly #room: StoreRoom;
  /** A chunk that was missing when all were looked for. */
  readonly #missing = new Map<ObjectId, number>();

  constructor(ledger: ObjectLedger, flists: KnownFlists, room: StoreRoom) {
    this.#ledger = ledger;
    this.#flists = flists;
    this.#room = room;
  }

  find(id: ObjectId, chunkIndex: number): Place | undefined {
    const whole: EntryKey = { kind: 'object', name: id };
    if (this.#ledger.has(whole)) return this.#used(whole, chunkIndex);
    const file = this.#flists.fileOf(id);
    if (file === undefined || chunkIndex >= chunkCountOf(file)) return undefined;
    const hash = hashAt(file, chunkIndex);
    const single: EntryKey = { kind: 'chunk', name: hash };
    if (this.#ledger.has(single)) return this.#used(single, 0);
    const holder = this.#ledger.holderOf(hash);
    if (holder === undefined) return undefined;
    return this.#used({ kind: 'object', name: holder.object }, holder.number);
  }

  /** Looks at what was missing first: a large file is not looked through again for each chunk. */
  hasAll(file: RegularFile, id: ObjectId): boolean {
    const count = chunkCountOf(file);
    const first = this.#missing.get(id) ?? 0;
    for (let step = 0; step < count; step++) {
      const index = (first + step) % count;
      if (this.find(id, index) !== undefined) continue;
      if (this.#missing.size >= hintsMax) this.#missing.clear();
      this.#missing.set(id, index);
      return false;
    }
    this.#missing.delete(id);
    return true;
  }

  #used(key: EntryKey, number: number): Place {
    this.#room.noteUse(key);
    return { key, offset: number * chunkBytes };
  }
}
