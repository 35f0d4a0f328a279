import type { DatabaseSync } from 'node:sqlite';
import { isGridError, systemClock } from '@commongrid/base';
import type { BackendSpec } from '../backends/backends-file.ts';
import { KeyHolder } from '../stor/key-holder.ts';
import { keysSpecOf } from '../stor/key-ring.ts';
import { insertKey, keyHolders, setKeyHolder } from '../stor/key-tables.ts';

/** Numbers of the keys that each holder has. */
export type FoundKeys = ReadonlyMap<string, readonly number[]>;

/** Asks all namespaces for keys of the backends file. */
export async function findKeys(specs: readonly BackendSpec[]): Promise<FoundKeys> {
  const found = new Map<string, readonly number[]>();
  await Promise.all(
    specs.map(async (spec) => {
      const keysSpec = keysSpecOf(spec);
      if (keysSpec === undefined) return;
      await using holder = new KeyHolder(keysSpec, systemClock);
      try {
        found.set(holder.name, await holder.list());
      } catch (error) {
        if (!isGridError(error)) throw error;
      }
    }),
  );
  return found;
}

/** Has the tables know all keys that are held somewhere, but for those that they know to be erased. */
export function noteKeys(db: DatabaseSync, found: FoundKeys): void {
  const isUnknown = keyHolders(db).length === 0;
  for (const [name, numbers] of found) {
    if (isUnknown && numbers.length > 0) setKeyHolder(db, name, false);
    for (const no of numbers) insertKey(db, no);
  }
}
