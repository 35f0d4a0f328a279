import type { CareStatus } from '@commongrid/zstor';

import { backendName, namespaceOf } from './store-backends.ts';
import type { BackendEntry } from './store-backends.ts';

/** What a store says of the shards of a contract. */
export interface ShardStanding {
  /** Shards that are missing now. */
  readonly missing: number;
  /** Shards that were made again since the head of the store serves. */
  readonly repaired: number;
  /** Shards that the store still has on record at places that were replaced. */
  readonly left: number;
}

/**
 * Whether a head that follows these entries needs nothing at the places that they replace, and all chunks are
 * spread as they should be: shards that were made again beside others do not count.
 */
export function isDone(status: CareStatus, entries: readonly BackendEntry[]): boolean {
  const { backends, needed, needyChunks, pending } = status;
  if (needyChunks > 0 || pending > 0) return false;
  const states = new Map(backends.map(({ name, state }) => [name, state]));
  const shards = entries.filter(({ namespace }) => namespace !== undefined);
  if (!shards.every((one) => states.get(backendName(one)) === 'healthy')) return false;
  const still = new Set(needed);
  return !entries.some(({ replaces = [] }) => replaces.some((name) => still.has(name)));
}

/** Namespaces that have all that the store needs of the places that they replace, each with its node. */
export function filledIn(
  { needed }: Pick<CareStatus, 'needed'>,
  entries: readonly BackendEntry[],
): ReadonlyMap<string, string> {
  const still = new Set(needed);
  const filled = entries.filter(({ replaces = [] }) => !replaces.some((name) => still.has(name)));
  return new Map(filled.map((entry) => [namespaceOf(entry), entry.node]));
}

/** What the owner is told of that. */
export function shardsOf(
  { backends, missingShards, repaired }: CareStatus,
  entries: readonly BackendEntry[],
): ShardStanding {
  const replaced = new Set(entries.flatMap(({ replaces = [] }) => replaces));
  const left = backends.reduce((sum, { name, shards }) => {
    return replaced.has(name) ? sum + shards : sum;
  }, 0);
  return { missing: missingShards, repaired: repaired.shards, left };
}
