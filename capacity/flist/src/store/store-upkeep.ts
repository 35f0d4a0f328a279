import { closeSync, openSync } from 'node:fs';

import { throwIfAborted } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';

import type { FlistDigest } from '../format/flist.ts';
import type { ObjectId } from '../format/object-id.ts';
import type { ObjectFiles } from './object-files.ts';
import type { EntryKey, ObjectLedger } from './object-ledger.ts';
import { Pace } from './pace.ts';
import type { PaceOptions } from './pace.ts';
import { SoundFlists } from './sound-objects.ts';
import type { SoundObjects } from './sound-objects.ts';
import type { StoreShelf } from './store-shelf.ts';
import type { StoreScrubResult, VerifyResult } from './store-types.ts';

export interface StoreUpkeepOptions {
  readonly ledger: ObjectLedger;
  readonly files: ObjectFiles;
  readonly shelf: StoreShelf;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Fetches a damaged object again where a mount needs it. Never rejects for want of a source. */
  readonly replace: (id: ObjectId, signal: AbortSignal | undefined) => Promise<void>;
}

/** Files that are synced in one go. */
const settledAtOnce = 256;

/** Objects that are looked at before others get a turn. */
const looksAtOnce = 256;

/** Looks after the files of a store: verifies them and brings them to disk. */
export class StoreUpkeep {
  readonly #options: StoreUpkeepOptions;
  readonly #sound = new SoundFlists();

  constructor(options: StoreUpkeepOptions) {
    this.#options = options;
  }

  /** @param idsOf all objects of the flist */
  async verify(digest: FlistDigest, idsOf: () => Iterable<ObjectId>): Promise<VerifyResult> {
    const { files } = this.#options;
    const sound = this.#sound.of(digest, idsOf);
    const total = { wholeObjects: 0, readObjects: 0, removedObjects: 0 };
    const folder = openSync(files.folders.object, 'r');
    try {
      for (let first = 0; first < sound.ids.length; first += looksAtOnce) {
        if (first > 0) await nextTurn();
        const changed = changedObjects(sound, folder, first);
        const judged = await this.#verifyChanged(changed);
        const looked = Math.min(looksAtOnce, sound.ids.length - first);
        total.wholeObjects += looked - changed.length + judged.wholeObjects;
        total.readObjects += judged.readObjects;
        total.removedObjects += judged.removedObjects;
      }
    } finally {
      closeSync(folder);
    }
    return total;
  }

  /** Asks the ledger about files, and reads those that are not as it says. */
  async #verifyChanged(objects: readonly SeenObject[]): Promise<VerifyResult> {
    const { ledger, files, shelf } = this.#options;
    let [wholeObjects, readObjects, removedObjects] = [0, 0, 0];
    const toRead: { readonly key: EntryKey; readonly isThere: boolean }[] = [];
    const stamps = ledger.stampsOf(objects.map(({ id }) => id));
    for (const [index, { id, note }] of objects.entries()) {
      const key: EntryKey = { kind: 'object', name: id };
      const stamp = stamps[index];
      const found = files.look(key);
      if (found === undefined && stamp === undefined) continue;
      if (found !== undefined && found.stamp === stamp) {
        wholeObjects++;
        note();
      } else toRead.push({ key, isThere: found !== undefined });
    }
    for (const { key, isThere } of toRead) {
      if (isThere) readObjects++;
      if (await shelf.examine(key)) wholeObjects++;
      else if (isThere) removedObjects++;
    }
    return { wholeObjects, readObjects, removedObjects };
  }

  async scrub(options: PaceOptions): Promise<StoreScrubResult> {
    const { ledger, shelf, clock, replace } = this.#options;
    const { signal } = options;
    const pace = new Pace({ clock, ...options });
    let [checkedFiles, checkedBytes, badFiles] = [0, 0, 0];
    let page = ledger.page(undefined, looksAtOnce);
    while (page.length > 0) {
      for (const entry of page) {
        throwIfAborted(signal);
        if (!ledger.has(entry)) continue;
        await pace.spend(entry.sizeBytes);
        const isSound = await shelf.examine(entry);
        checkedFiles++;
        checkedBytes += entry.sizeBytes;
        if (isSound) continue;
        badFiles++;
        if (entry.kind === 'object') await replace(entry.name as ObjectId, signal);
      }
      page = ledger.page(page.at(-1), looksAtOnce);
    }
    return { checkedFiles, checkedBytes, badFiles };
  }

  async settle(signal: AbortSignal): Promise<void> {
    const { ledger, files, shelf, logger } = this.#options;
    for (const entry of ledger.unsettled(settledAtOnce)) {
      if (signal.aborted) return;
      try {
        if (await files.sync(entry)) ledger.settle(entry);
      } catch (error) {
        // Nobody knows what is on disk after a failed sync.
        logger.warn({ err: error, name: entry.name }, 'a file cannot be synced and is removed');
        shelf.drop(entry);
      }
    }
  }
}

/** An object whose file is not known to be as it was. */
interface SeenObject {
  readonly id: ObjectId;
  /** Says that it was sound when it was seen. */
  readonly note: () => void;
}

function changedObjects(sound: SoundObjects, folder: number, first: number): SeenObject[] {
  const changed: SeenObject[] = [];
  for (const [index, id] of sound.ids.slice(first, first + looksAtOnce).entries()) {
    const place = first + index;
    const found = sound.look(folder, place);
    if (found !== undefined && sound.has(place, found)) continue;
    const seen = found?.slice();
    changed.push({ id, note: () => seen && sound.note(place, seen) });
  }
  return changed;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
