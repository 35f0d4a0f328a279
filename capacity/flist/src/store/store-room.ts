import { GridError, isGridError } from '@commongrid/base';
import type { Clock } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { ObjectId } from '../format/object-id.ts';
import type { ChunkHash } from '../ports.ts';
import type { KnownFlists, PinnedNames } from './known-flists.ts';
import type { ObjectFiles } from './object-files.ts';
import { blockBytes } from './object-ledger.ts';
import type { Entry, EntryKey, ObjectLedger } from './object-ledger.ts';

export interface StoreRoomOptions {
  readonly ledger: ObjectLedger;
  readonly files: ObjectFiles;
  readonly flists: KnownFlists;
  readonly maxBytes: number;
  readonly clock: Clock;
}

/** Uses that are noted before they are written down together. */
const notedUsesMax = 4_096;

/** Entries that are looked at together when room is made. */
const entriesAtOnce = 256;

/** After a look for something to evict that found nothing, for so long nobody looks again. */
const fruitlessPauseMs = 2_000;

/** How many bytes a store has, and what goes first when there is no room. */
export class StoreRoom {
  readonly #options: StoreRoomOptions;
  readonly #uses = new Map<string, EntryKey>();
  #noLookUntilMs = -Infinity;
  usedBytes: number;
  evictedBytes = 0;

  constructor(options: StoreRoomOptions) {
    this.#options = options;
    const { ledger } = options;
    this.usedBytes = ledger.total('object').sizeBytes + ledger.total('chunk').sizeBytes;
  }

  /**
   * Takes room for a file, evicting what was not used for longest and no pinned flist names.
   * @throws FLIST_STORE_FULL
   */
  reserve(sizeBytes: number): void {
    const { maxBytes } = this.#options;
    const roomBytes = blocksOf(sizeBytes);
    const missingBytes = this.usedBytes + roomBytes - maxBytes;
    if (missingBytes > 0 && this.evict(missingBytes) < missingBytes) {
      throw new GridError<FlistErrorCode>(
        'FLIST_STORE_FULL',
        `the store holds ${this.usedBytes} of ${maxBytes} bytes, all needed by mounted images`,
        { hint: 'give the store more bytes, or unmount an image', retryable: true },
      );
    }
    this.usedBytes += roomBytes;
  }

  /** Counts a file that was found. */
  adopt(sizeBytes: number): void {
    this.usedBytes += blocksOf(sizeBytes);
  }

  release(sizeBytes: number): void {
    this.usedBytes -= blocksOf(sizeBytes);
  }

  /** Removes a file of the store. */
  drop(entry: Entry): void {
    const { ledger, files } = this.#options;
    files.remove(entry);
    ledger.transaction(() => ledger.remove(entry));
    this.release(entry.sizeBytes);
    this.noteChange();
  }

  /** Something may be evicted now that could not be before. */
  noteChange(): void {
    this.#noLookUntilMs = -Infinity;
  }

  noteUse(key: EntryKey): void {
    this.#uses.set(`${key.kind}${key.name}`, key);
    if (this.#uses.size >= notedUsesMax) this.writeUses();
  }

  writeUses(): void {
    const { ledger, clock } = this.#options;
    if (this.#uses.size === 0) return;
    const nowMs = clock.nowMs();
    const uses = [...this.#uses.values()];
    this.#uses.clear();
    try {
      ledger.transaction(() => uses.forEach((key) => ledger.touch(key, nowMs)));
    } catch (error) {
      // Who was used last matters less than reading on.
      if (!isGridError(error, 'FLIST_DISK_FULL')) throw error;
    }
  }

  /** Makes so much room if it can. Returns how much it made. */
  evict(goalBytes: number): number {
    const { ledger, files, flists, clock } = this.#options;
    if (clock.monotonicMs() < this.#noLookUntilMs) return 0;
    const { pinned } = flists;
    if (pinned === undefined) return 0;
    this.writeUses();
    let doneBytes = 0;
    let last: Entry | undefined;
    while (doneBytes < goalBytes) {
      const entries = ledger.oldest(last, entriesAtOnce);
      last = entries.at(-1);
      if (last === undefined) break;
      const victims: Entry[] = [];
      for (const entry of entries) {
        if (doneBytes >= goalBytes) break;
        if (this.#isNeeded(entry, pinned)) continue;
        victims.push(entry);
        doneBytes += blocksOf(entry.sizeBytes);
      }
      for (const victim of victims) files.remove(victim);
      ledger.transaction(() => victims.forEach((victim) => ledger.remove(victim)));
    }
    if (doneBytes < goalBytes) this.#noLookUntilMs = clock.monotonicMs() + fruitlessPauseMs;
    this.usedBytes -= doneBytes;
    this.evictedBytes += doneBytes;
    return doneBytes;
  }

  /** Whether a pinned flist names it, or one of its chunks. */
  #isNeeded({ kind, name }: Entry, { objects, chunks }: PinnedNames): boolean {
    if (kind === 'chunk') return chunks.has(name as ChunkHash);
    const object = name as ObjectId;
    if (objects.has(object)) return true;
    return this.#options.ledger.heldBy(object).some((hash) => chunks.has(hash));
  }
}

function blocksOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / blockBytes) * blockBytes;
}
