import { isGridError } from '@commongrid/base';
import type { Clock } from '@commongrid/base';

import type { ObjectId } from '../format/object-id.ts';
import type { ChunkHash } from '../ports.ts';
import type { FileContent, ObjectFiles } from './object-files.ts';
import type { EntryKey, ObjectLedger } from './object-ledger.ts';
import type { StoreRoom } from './store-room.ts';

export interface StoreShelfOptions {
  readonly ledger: ObjectLedger;
  readonly files: ObjectFiles;
  readonly room: StoreRoom;
  readonly clock: Clock;
  /** A file had other bytes than its name says; it was removed. */
  readonly onDamaged: (key: EntryKey) => void;
}

/** Puts files into the store and judges those that are there: file, room and ledger as one. */
export class StoreShelf {
  readonly #options: StoreShelfOptions;

  constructor(options: StoreShelfOptions) {
    this.#options = options;
  }

  /**
   * Makes a file of verified pieces. Whoever made it meanwhile made the same.
   * @param hashes of its chunks
   * @throws FLIST_STORE_FULL, FLIST_DISK_FULL, what `content` throws
   */
  async place(
    key: EntryKey,
    sizeBytes: number,
    hashes: readonly ChunkHash[],
    content: FileContent,
  ): Promise<void> {
    const { ledger, files, room } = this.#options;
    const attempt = async (): Promise<boolean> => {
      const { stamp } = await files.place(key, content);
      const isNew = !ledger.has(key);
      this.#write(key, sizeBytes, stamp, hashes);
      return isNew;
    };
    room.reserve(sizeBytes);
    let isNew = false;
    try {
      isNew = await attempt().catch((error: unknown) => {
        // The disk has less room than the store was given.
        const isFull = isGridError(error, 'FLIST_DISK_FULL');
        if (!isFull || room.evict(sizeBytes + ledgerRoomBytes) === 0) throw error;
        return attempt();
      });
    } finally {
      if (!isNew) room.release(sizeBytes);
    }
  }

  /** Verifies a file: known again with its stamp when it is sound, removed if not. */
  async examine(key: EntryKey): Promise<boolean> {
    const { ledger, files, room, onDamaged } = this.#options;
    const before = files.look(key);
    const hashes = await files.verify(key);
    const after = files.look(key);
    const known = ledger.get(key);
    if (hashes !== undefined && after !== undefined && after.stamp === before?.stamp) {
      ledger.transaction(() => {
        if (known !== undefined) ledger.remove(known);
      });
      if (known === undefined) room.adopt(after.sizeBytes);
      this.#write(key, after.sizeBytes, after.stamp, hashes);
      return true;
    }
    if (known !== undefined) room.drop(known);
    else files.remove(key);
    if (before !== undefined) onDamaged(key);
    return false;
  }

  /** Takes a file away, if it is there. */
  drop(key: EntryKey): void {
    const known = this.#options.ledger.get(key);
    if (known !== undefined) this.#options.room.drop(known);
  }

  #write(key: EntryKey, sizeBytes: number, stamp: string, hashes: readonly ChunkHash[]): void {
    const { ledger, files, clock } = this.#options;
    const entry = { ...key, sizeBytes, stamp, lastUsedMs: clock.nowMs() };
    try {
      // One statement is all or nothing by itself.
      if (key.kind === 'chunk') return ledger.put(entry);
      ledger.transaction(() => {
        ledger.put(entry);
        const object = key.name as ObjectId;
        for (const [number, hash] of hashes.entries()) ledger.hold(hash, { object, number });
      });
    } catch (error) {
      files.remove(key);
      throw error;
    }
  }
}

/** What the ledger may grow by when a file is put into it. */
const ledgerRoomBytes = 256 * 1024;
