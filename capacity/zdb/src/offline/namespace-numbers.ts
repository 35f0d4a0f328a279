import { NEXT_NAMESPACE_ID } from '../engine/namespaces.ts';
import type { Store } from '../engine/store.ts';

/** The number that the next namespace gets. */
export function nextNamespaceId(store: Store): number {
  const stored = store.getSystem(NEXT_NAMESPACE_ID);
  return Math.max(stored === undefined ? 0 : Number(stored.toString()), store.namespaces.maxId + 1);
}

/** The record that says so, as key and value. */
export function nextNamespaceRecord(id: number): { key: Buffer; value: Buffer } {
  return { key: NEXT_NAMESPACE_ID, value: Buffer.from(String(id)) };
}

/** Reads a record of the store's own, so that Store.putSystem need not wait for it. */
export async function bringSystemIn(store: Store, key: Buffer): Promise<void> {
  await store.retrying(() => store.lookup(store.namespaces.system, key, 0, key.length));
}
