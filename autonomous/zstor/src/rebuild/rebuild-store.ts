import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { systemClock, systemRandom } from '@commongrid/base';
import { BackendPool } from '../backends/backend-pool.ts';
import { nameOfBackend, readBackendsFile } from '../backends/backends-file.ts';
import type { BackendSpec } from '../backends/backends-file.ts';
import { BlobStore } from '../blob-store.ts';
import type { BlobStoreOptions } from '../blob-store.ts';
import { Catalog } from '../catalog/catalog.ts';
import { finishFounding } from '../catalog/found-log.ts';
import type { LogPlace } from '../catalog/found-log.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { readManifests } from '../manifest/manifest-reader.ts';
import { isDeadManifest } from '../manifest/manifest-tables.ts';
import { adoptBlob, findBlob } from '../stor/blob-tables.ts';
import { blobOfPointer } from '../stor/dispersed-snapshots.ts';
import { keepsLog, logNamesOf, openMemberOf } from '../stor/log-place.ts';
import { insertSnapshot } from '../stor/snapshot-tables.ts';
import { readStoreKeys } from '../stor/stor-keys.ts';
import type { StorKeys } from '../stor/stor-keys.ts';
import { beginLog, openLogPlace, setTablesAside } from './begin-log.ts';
import { findKeys, noteKeys } from './find-keys.ts';
import { findNumbers, setNumbers } from './find-backends.ts';
import { findPacks } from './find-packs.ts';
import { noteRebuild } from './rebuild-tables.ts';
import { relocateChunks } from './relocate-chunks.ts';
import { ShardInventory } from './shard-inventory.ts';
import { findUnfinished, forgetUnfinished } from './unfinished-rebuild.ts';
import type { UnfinishedRebuild } from './unfinished-rebuild.ts';

/** Heads that may have served without writing a chunk, which would tell of their epoch. */
const epochsLeftOut = 2 ** 16;
/** Manifests that are applied in one change. */
const manifestsAtOnce = 100;

export interface RebuildOptions extends Omit<BlobStoreOptions, 'canBegin' | 'isOtherActive'> {
  /**
   * Makes the rows of a version that are lost, in a change: those of its blobs with `adoptBlob`. It may
   * run twice.
   * @returns false when the tables have it, or one that came later in its place
   */
  readonly apply: (db: DatabaseSync, manifest: Manifest) => boolean;
  /**
   * The log is lost, though not all that may have kept it answer: none of them must come back as it
   * was. Default false.
   */
  readonly withoutLog?: boolean | undefined;
  readonly onProgress?: ((step: string) => void) | undefined;
}

export interface RebuildReport {
  /**
   * `log`: exact, out of a snapshot and the log. Else without it, with what came after found again:
   * `tables` that were here and newer than any snapshot, a `snapshot`, or nothing but `manifests`.
   */
  readonly from: 'log' | 'tables' | 'snapshot' | 'manifests';
  /** Versions that only manifests had. */
  readonly restoredVersions: number;
  /** Manifests of which no copy can be read. */
  readonly damagedManifests: number;
  /** Chunks of which shards were found elsewhere than the tables had said. */
  readonly relocatedChunks: number;
  /** Chunks with fewer shards than it takes to read them, as far as backends answered. */
  readonly unreadableChunks: number;
  /** Where the tables are that were here before. */
  readonly setAside: string | undefined;
}

/**
 * Makes the tables of a store again, and leaves it closed.
 *
 * With the log: exactly as they were; chunks are looked for whose backends have lost their markers, and
 * so got other numbers. Without: 1. numbers of backends from their markers, and what shards
 * each has; 2. a new log, which begins with the newest snapshot that can be read, or with the tables that
 * are here, if these are sound and newer, which are made a snapshot for that; 3. versions that are newer, from their manifests; 4. chunks where their shards are now, small objects in their packs; 5. a
 * snapshot. No version is lost; deletions, tags and dates since the snapshot may be undone, so the store
 * deletes nothing until `acceptRebuild`. One that was ended on its way goes on when it is called again; no
 * head serves before.
 *
 * @throws ZSTOR_KEY_MISSING, ZSTOR_CATALOG_MEMBER_FAILED (see `withoutLog`), ZSTOR_CATALOG_NOT_EMPTY,
 *   and as `BlobStore.open`
 */
export async function rebuildStore(options: RebuildOptions): Promise<RebuildReport> {
  const { folder, backendsFile, onProgress = () => {} } = options;
  const specs = await readBackendsFile(backendsFile);
  const keys = await readStoreKeys(options.keyFile ?? join(folder, 'key'));
  const openMember = openMemberOf(() => specs);
  const { metadataKey } = keys;
  const place = { members: logNamesOf(specs), openMember, metadataKey };
  const begun = await findBegun(folder, place);
  const isLost = begun !== undefined || options.withoutLog === true || !(await keepsLog(place));
  if (!isLost) {
    const setAside = await setTablesAside(folder);
    await forgetUnfinished(folder);
    onProgress('making the tables from snapshot and log');
    await using store = await BlobStore.open(options);
    onProgress('locating chunks');
    const { catalog, backends, epoch } = store;
    const path = join(folder, 'inventory.db');
    await using inventory = await ShardInventory.take(path, backends, options.signal);
    const { signal } = options;
    const located = await relocateChunks(catalog, inventory, { epoch, isExact: true, signal });
    return { from: 'log', restoredVersions: 0, damagedManifests: 0, ...located, setAside };
  }
  const found = await rebuildWithoutLog(options, specs, keys, begun);
  await forgetUnfinished(folder);
  return found;
}

async function rebuildWithoutLog(
  options: RebuildOptions,
  specs: readonly BackendSpec[],
  keys: StorKeys,
  begun: UnfinishedRebuild | undefined,
): Promise<RebuildReport> {
  const { folder, onProgress = () => {}, clock = systemClock, signal } = options;
  onProgress('looking through the backends');
  const numbers = await findNumbers(specs, keys.metadataKey);
  await using pool = await BackendPool.open(
    specs.filter((spec) => numbers.has(nameOfBackend(spec))),
    { numberOf: (spec) => numbers.get(nameOfBackend(spec)) ?? 0 },
  );
  await using inventory = await ShardInventory.take(join(folder, 'inventory.db'), pool, signal);
  const parts = { specs, keys, numbers, pool, inventory };
  await using place = await openLogPlace({ ...options, ...parts, members: begun?.members });
  let setAside: string | undefined;
  let isFromTables = begun?.isFromTables === true;
  if (begun === undefined) {
    onProgress('beginning a new log');
    ({ isFromTables, setAside } = await beginLog(place, options));
  }
  let from: RebuildReport['from'] = isFromTables ? 'tables' : 'manifests';
  {
    await using catalog = await Catalog.open(place.catalog);
    await catalog.takeOver(signal);
    const buckets = await findKeys(specs);
    const snapshots = catalog.snapshotPointers.map((pointer) => blobOfPointer(pointer, keys));
    if (snapshots.length > 0 && !isFromTables) from = 'snapshot';
    await catalog.write((db) => {
      noteRebuild(db, clock.nowMs(), inventory.highestEpoch + epochsLeftOut);
      setNumbers(db, numbers);
      noteKeys(db, buckets);
      for (const blob of snapshots) {
        if (findBlob(db, blob.id) === undefined) adoptBlob(db, blob);
        insertSnapshot(db, blob.id);
      }
    });
  }
  await using store = await BlobStore.open({ ...options, isRebuilding: true });
  onProgress('applying manifests');
  const applied = await applyManifests(store, keys, options.apply);
  onProgress('locating chunks');
  await findPacks(store.catalog, inventory, { backends: pool, signal });
  const located = await relocateChunks(store.catalog, inventory, { epoch: store.epoch, signal });
  await store.catalog.takeSnapshot();
  return { from, ...applied, ...located, setAside };
}

/** The log that an earlier rebuild in this folder began; undefined when there is none. */
async function findBegun(folder: string, place: LogPlace): Promise<UnfinishedRebuild | undefined> {
  const begun = await findUnfinished(folder);
  if (begun === undefined) return undefined;
  const log = { ...place, members: begun.members };
  if (!(await keepsLog(log))) return undefined;
  await finishFounding(log, systemRandom);
  return begun;
}

async function applyManifests(
  store: BlobStore,
  keys: StorKeys,
  apply: RebuildOptions['apply'],
): Promise<{ restoredVersions: number; damagedManifests: number }> {
  const { catalog, backends } = store;
  let restoredVersions = 0;
  let damagedManifests = 0;
  const onDamaged = (): void => void damagedManifests++;
  let some: Manifest[] = [];
  const flush = async (): Promise<void> => {
    const batch = some;
    some = [];
    restoredVersions += await catalog.write(
      (db) => batch.filter((manifest) => apply(db, manifest)).length,
    );
  };
  const isWanted = (versionId: Buffer): boolean =>
    !catalog.read((db) => isDeadManifest(db, versionId));
  const source = { backends, key: keys.manifestKey, onDamaged };
  for await (const manifest of readManifests(source, isWanted)) {
    some.push(manifest);
    if (some.length >= manifestsAtOnce) await flush();
  }
  await flush();
  return { restoredVersions, damagedManifests };
}
