import type { BackendStatus, CareStatus } from '@commongrid/zstor';

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
 * What keeps a store from being whole, in words; null where a head that follows these entries needs nothing at the
 * places that they replace, and all chunks are spread as they should be: shards that were made again beside others do
 * not count.
 */
export function lacking(
  { backends, needed, needyChunks, unreadableChunks, pending }: LookedAt,
  entries: readonly BackendEntry[],
): string | null {
  if (unreadableChunks > 0) return `${unreadableChunks} chunks cannot be read now`;
  if (needyChunks > 0) {
    return `shards of ${needyChunks} chunks are missing, or not where they should be; ${pending} chunks wait for repair`;
  }
  if (pending > 0) return `${pending} chunks are looked at, or mended`;
  const states = new Map(backends.map(({ name, state }) => [name, state]));
  const silent = entries.flatMap((one) => {
    const name = backendName(one);
    return one.namespace === undefined || states.get(name) === 'healthy' ? [] : [name];
  });
  if (silent.length > 0) return `no answer from ${silent.join(', ')}`;
  const still = new Set(needed);
  const left = entries.flatMap(({ replaces = [] }) => replaces.filter((name) => still.has(name)));
  return left.length === 0 ? null : `replaced and still needed: ${left.join(', ')}`;
}

type LookedAt = Pick<CareStatus, 'needed' | 'needyChunks' | 'unreadableChunks' | 'pending'> & {
  readonly backends: readonly Pick<BackendStatus, 'name' | 'state'>[];
};

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
