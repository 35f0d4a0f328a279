import { throwIfAborted } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';

import type { ObjectId } from '../format/object-id.ts';
import type { ObjectFiles } from './object-files.ts';
import type { EntryKey, ObjectLedger } from './object-ledger.ts';
import { Pace } from './pace.ts';
import type { PaceOptions } from './pace.ts';
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

  constructor(options: StoreUpkeepOptions) {
    this.#options = options;
  }

  async verify(ids: Iterable<ObjectId>): Promise<VerifyResult> {
    const { ledger, files, shelf } = this.#options;
    let [looked, wholeObjects, readObjects, removedObjects] = [0, 0, 0, 0];
    for (const id of ids) {
      if (++looked % looksAtOnce === 0) await nextTurn();
      const key: EntryKey = { kind: 'object', name: id };
      const found = files.look(key);
      const stamp = ledger.stampOf(key);
      if (found === undefined && stamp === undefined) continue;
      if (found !== undefined && stamp === found.stamp) {
        wholeObjects++;
        continue;
      }
      if (found !== undefined) readObjects++;
      if (await shelf.examine(key)) wholeObjects++;
      else if (found !== undefined) removedObjects++;
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

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
