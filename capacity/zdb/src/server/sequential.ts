import { isGridError } from '@commongrid/base';
import { writeUint53 } from '../engine/log/format.ts';
import type { Namespace } from '../engine/namespace.ts';
import type { Store } from '../engine/store.ts';
import type { ZdbErrorCode } from '../errors.ts';

/** An id as a key: eight bytes, little endian. */
export const SEQUENTIAL_KEY_BYTES = 8;

/** The id was used. The manifest keeps a lower bound of the next one, for the next start. */
export function takeId(store: Store, namespace: Namespace): void {
  namespace.nextId++;
  store.table.nextIds.set(namespace.id, namespace.nextId);
}

/**
 * Finds the next id of each sequential namespace after a start. The manifest's number is a lower
 * bound: it is saved whenever deletions are dropped, so every id from there on is still known to
 * the index, and the first that is not comes next. Found by doubling steps, then by halving.
 */
export async function restoreNextIds(store: Store): Promise<void> {
  for (const namespace of store.namespaces.list()) {
    if (namespace.settings.mode !== 'seq') continue;
    // A master may have told more than the records here do.
    const floor = Math.max(namespace.nextId, store.table.nextIds.get(namespace.id) ?? 0);
    let step = 1;
    while (await isKnown(store, namespace, floor + step - 1)) step *= 2;
    let low = floor + Math.floor(step / 2);
    let high = floor + step - 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (await isKnown(store, namespace, middle)) low = middle + 1;
      else high = middle;
    }
    namespace.nextId = low;
  }
}

async function isKnown(store: Store, namespace: Namespace, id: number): Promise<boolean> {
  const key = Buffer.alloc(SEQUENTIAL_KEY_BYTES);
  writeUint53(key, id, 0);
  try {
    return (await store.retrying(() => store.lookup(namespace, key, 0, key.length))) !== 'absent';
  } catch (error) {
    // The index has it, and its record is damaged: in use.
    if (isGridError<ZdbErrorCode>(error, 'ZDB_READ_FAILED')) return true;
    throw error;
  }
}
