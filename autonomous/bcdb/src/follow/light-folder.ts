import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { freePath } from './handed-over.ts';
import { LightStore } from './light-store.ts';

/** Whose store it is. */
export interface LightOwner {
  /** Hash of the genesis, base64url. */
  readonly log: string;
  readonly readers: readonly string[];
}

/** The store of a light follower's folder, made when missing. @throws BCDB_OTHER_LOG */
export function openLightStore(dataDir: string, { log, readers }: LightOwner): LightStore {
  const file = join(dataDir, storeFile);
  const next = join(dataDir, nextFile);
  // Killed while it was being renewed.
  if (!existsSync(file) && existsSync(next)) renameSync(next, file);
  return LightStore.open(file, log, readers);
}

/**
 * An empty store in place of one whose records a handover gave up. The former one is closed and
 * stays beside it.
 */
export function renewLightStore(
  dataDir: string,
  owner: LightOwner,
  former: LightStore,
  succession: unknown,
): LightStore {
  const size = former.seen?.head.size ?? 0;
  const next = join(dataDir, nextFile);
  for (const end of ['', '-wal', '-shm']) rmSync(`${next}${end}`, { force: true });
  const fresh = LightStore.open(next, owner.log, owner.readers);
  if (succession !== undefined) fresh.succession = succession;
  fresh.close();
  former.close();
  const file = join(dataDir, storeFile);
  renameSync(file, freePath(join(dataDir, `feeds.given-up-${size}`), '.sqlite'));
  return openLightStore(dataDir, owner);
}

const storeFile = 'feeds.sqlite';
const nextFile = 'feeds.next.sqlite';
