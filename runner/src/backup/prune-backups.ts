import type { PublicKey } from '@commongrid/crypto';

import type { BackupKeys } from './backup-keys.ts';
import { backupNames, readManifest, removeManifest } from './backup-manifest.ts';
import type { BackupPlace } from './backup-place.ts';
import { listChunks, removeChunk } from './chunks.ts';

/** Objects that are removed at one time. */
const removalsMax = 8;

export interface PruneOptions {
  /** The backup that was just made: it stays, whatever the clock said when others were. */
  readonly made: string;
  /** Backups that stay, that one included: the newest. */
  readonly keep: number;
  readonly owner: PublicKey;
}

/** What was taken away. */
export interface Pruned {
  readonly backups: number;
  /** Chunks that no backup names which stays; what was broken off left some, too. */
  readonly chunks: number;
}

/**
 * Removes older backups, and chunks that no other one needs. To be called while nobody makes a backup at this place.
 *
 * 1. All that stay are read: what they need is known, or nothing is removed.
 * 2. Manifests first: broken off, this leaves chunks that nobody needs, and no backup without its chunks.
 * 3. Chunks.
 * @throws GRID_BACKUP_DAMAGED where one of those that stay cannot be read, GRID_BACKUP_PLACE_FAILED
 */
export async function pruneBackups(
  place: BackupPlace,
  keys: BackupKeys,
  { made, keep, owner }: PruneOptions,
): Promise<Pruned> {
  const others = (await backupNames(place)).filter((name) => name !== made);
  const needed = new Set<string>();
  for (const name of [made, ...others.slice(0, keep - 1)]) {
    const { ledger, files } = await readManifest(place, keys, name, owner.text);
    for (const { chunks } of [ledger, ...files]) for (const id of chunks) needed.add(id);
  }
  const old = others.slice(keep - 1);
  await eachOf(old, (name) => removeManifest(place, name));
  const unneeded: string[] = [];
  for await (const id of listChunks(place)) if (!needed.has(id)) unneeded.push(id);
  await eachOf(unneeded, (id) => removeChunk(place, id));
  return { backups: old.length, chunks: unneeded.length };
}

async function eachOf(
  names: readonly string[],
  remove: (name: string) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < names.length; at += removalsMax) {
    await Promise.all(names.slice(at, at + removalsMax).map(remove));
  }
}
