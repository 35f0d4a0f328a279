import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, isGridError, silentLogger, systemRandom } from '@commongrid/base';
import type { BackendPool } from '../backends/backend-pool.ts';
import type { BackendSpec } from '../backends/backends-file.ts';
import { BlobWriter } from '../blob/blob-writer.ts';
import { ChunkIds } from '../blob/chunk-ids.ts';
import { openStreamBudget } from '../blob/stream-budget.ts';
import type { BlobStoreOptions } from '../blob-store.ts';
import { Catalog } from '../catalog/catalog.ts';
import type { CatalogOptions } from '../catalog/catalog.ts';
import { foundLog } from '../catalog/found-log.ts';
import { pointerOf } from '../catalog/snapshots.ts';
import { identityKey } from '../catalog/tlog-member.ts';
import { DispersedSnapshots, recordsIn } from '../stor/dispersed-snapshots.ts';
import { firstMembersOf, logNameOf, logNamesOf, openMemberOf } from '../stor/log-place.ts';
import { SnapshotIndex } from '../stor/snapshot-index.ts';
import type { StorKeys } from '../stor/stor-keys.ts';
import { CodingThreads } from '../threads/coding-threads.ts';
import { keepTables } from './keep-tables.ts';
import type { ShardInventory } from './shard-inventory.ts';
import { noteUnfinished } from './unfinished-rebuild.ts';

type StoreOptions = Pick<
  BlobStoreOptions,
  'folder' | 'backendsFile' | 'policy' | 'schema' | 'logger'
>;

export interface LogPlaceParts extends StoreOptions {
  readonly specs: readonly BackendSpec[];
  readonly keys: StorKeys;
  /** Of backends, by their names. */
  readonly numbers: ReadonlyMap<string, number>;
  readonly pool: BackendPool;
  readonly inventory: ShardInventory;
  /** Of a log that was begun already. */
  readonly members: readonly string[] | undefined;
}

/** Where a new log is to be, and what it may begin with. */
export interface NewLogPlace extends AsyncDisposable {
  readonly catalog: CatalogOptions;
  readonly index: SnapshotIndex;
  readonly inventory: ShardInventory;
}

export async function openLogPlace(parts: LogPlaceParts): Promise<NewLogPlace> {
  const { folder, backendsFile, policy, schema, logger = silentLogger } = parts;
  const { specs, keys, numbers, pool: backends, inventory } = parts;
  const openMember = openMemberOf(() => specs);
  const empty = await namesOfEmpty(specs, openMember);
  const free = specs.filter((spec) => empty.has(logNameOf(spec) ?? ''));
  const members = parts.members ?? firstMembersOf(free, policy.parityShards);
  const index = new SnapshotIndex({ backends, key: keys.manifestKey });
  const threads = CodingThreads.open({ count: 0 });
  const budget = openStreamBudget();
  // No head has served that wrote under this epoch; those that come begin far above it.
  const ids = new ChunkIds(() => inventory.highestEpoch + 1);
  const locations = { find: () => undefined, compareAndSet: async () => false };
  const writer = new BlobWriter({ backends, threads, budget, locations, ids, logger });
  const names = new Map([...numbers].map(([name, no]) => [no, name]));
  // The tables that are to know of it begin with it: see `insertSnapshot`.
  const register = async (): Promise<void> => {};
  const nothing = { register, list: () => [], forget: async () => {} };
  const store = { writer, names, index, ...nothing };
  const snapshots = new DispersedSnapshots({
    ...{ backendsFile, policy, threads, budget },
    store: () => store,
  });
  const { metadataKey } = keys;
  const place = { folder: join(folder, 'catalog'), metadataKey, members, openMember };
  return {
    catalog: { ...place, schema, snapshots, logger },
    ...{ index, inventory },
    [Symbol.asyncDispose]: () => writer.close(),
  };
}

/**
 * Begins it with the tables that are here, where they are newer than what backends have; with the newest
 * snapshot that can be read; or with nothing. Tables that are here are set aside, once what is in
 * them is kept.
 */
export async function beginLog(
  { catalog, index, inventory }: NewLogPlace,
  { folder }: Pick<StoreOptions, 'folder'>,
): Promise<{ isFromTables: boolean; setAside: string | undefined }> {
  const { members } = catalog;
  const snapshots = await index.list();
  const tables = await keepTables(catalog, { snapshots, inventory });
  const isFromTables = tables !== undefined;
  await noteUnfinished(folder, { members, isFromTables });
  const setAside = await setTablesAside(folder);
  if (tables === undefined) await beginWithSnapshot(catalog, snapshots);
  else {
    for (const record of recordsIn(pointerOf(tables))) inventory.add(record);
    await foundLog(catalog, catalog.random ?? systemRandom, tables);
  }
  return { isFromTables, setAside };
}

/** Tables that are there may be all that is left of something: they are kept under another name. */
export async function setTablesAside(folder: string): Promise<string | undefined> {
  const from = join(folder, 'catalog');
  const to = join(folder, `catalog.${new Date().toISOString().replaceAll(/[:.]/g, '-')}`);
  try {
    await rename(from, to);
    return to;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function beginWithSnapshot(
  options: CatalogOptions,
  snapshots: readonly { readonly pointer: Buffer }[],
): Promise<void> {
  for (const { pointer } of snapshots) {
    try {
      await Catalog.restore(options, pointer);
      return;
    } catch (err) {
      // What is wrong with the log's place is so with any snapshot.
      const isUnreadable = isGridError(err) && !err.code.startsWith('ZSTOR_CATALOG_');
      const isDamaged = isGridError(err, 'ZSTOR_CATALOG_SNAPSHOT_CORRUPT');
      if (!isUnreadable && !isDamaged) throw err;
      options.logger?.warn({ err }, 'a snapshot cannot be read; the one before is tried');
    }
  }
  await Catalog.found(options);
}

/** Namespaces for the log that answer, and are no member of any. */
async function namesOfEmpty(
  specs: readonly BackendSpec[],
  openMember: CatalogOptions['openMember'],
): Promise<Set<string>> {
  const empty = new Set<string>();
  await Promise.all(
    logNamesOf(specs).map(async (name) => {
      await using member = openMember(name);
      try {
        const [identity] = await member.get([identityKey]);
        if (identity === undefined) empty.add(name);
      } catch (error) {
        if (!isGridError(error)) throw error;
      }
    }),
  );
  return empty;
}
