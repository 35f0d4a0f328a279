import { isGridError, silentLogger } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import { statementOf } from '../catalog/statement-of.ts';
import type { CatalogOptions } from '../catalog/catalog.ts';
import type { SnapshotNote } from '../catalog/chain.ts';
import { LeftTables } from '../catalog/left-tables.ts';
import type { TablesPosition } from '../catalog/snapshots.ts';
import { bytesOf } from '../stor/blob-tables.ts';
import type { ShardInventory } from './shard-inventory.ts';

/** Chunks of the tables that are looked for on the backends. */
const soughtMax = 1_000;

interface Beside {
  /** On the backends, the newest first. */
  readonly snapshots: readonly { readonly pointer: Buffer }[];
  readonly inventory: Pick<ShardInventory, 'has'>;
}

/**
 * Writes the tables that a head left here to the backends, as a snapshot, if that is newer than those which
 * can be read: before anything else is done with them. They are of this store when they are of the log
 * that snapshots are of, or, without any snapshot, when backends have chunks of theirs.
 * @returns undefined when there are none, or they are damaged, older, or of another store or log
 * @throws BASE_FOLDER_LOCKED, ZSTOR_CATALOG_UNREADABLE, ZSTOR_BACKENDS_TOO_FEW
 */
export async function keepTables(
  options: CatalogOptions,
  { snapshots, inventory }: Beside,
): Promise<SnapshotNote | undefined> {
  const { logger = silentLogger } = options;
  await using tables = await LeftTables.open(options);
  if (tables === undefined) return undefined;
  const newest = await newestOf(tables, snapshots, logger);
  const { logId, index } = tables.position;
  const isWanted =
    newest === undefined
      ? hasChunks(tables, inventory)
      : newest.logId === logId && newest.index < index;
  if (isWanted) return await tables.keep();
  logger.warn({ logId, index, newest }, 'the tables here are not newer than what backends have');
  return undefined;
}

/** Of the newest snapshot that can be read. */
async function newestOf(
  tables: LeftTables,
  snapshots: Beside['snapshots'],
  logger: Logger,
): Promise<TablesPosition | undefined> {
  for (const { pointer } of snapshots) {
    try {
      return await tables.positionOf(pointer);
    } catch (err) {
      if (!isGridError(err)) throw err;
      logger.warn({ err }, 'a snapshot cannot be read; the one before is tried');
    }
  }
  return undefined;
}

/** Ids of chunks are in part random: those of another store are not found. */
function hasChunks(tables: LeftTables, inventory: Beside['inventory']): boolean {
  const rows = tables.read((db) =>
    statementOf(db, `SELECT id FROM chunks ORDER BY id DESC LIMIT ${soughtMax}`).all(),
  );
  return rows.some((row) => inventory.has(bytesOf(row['id'])));
}
