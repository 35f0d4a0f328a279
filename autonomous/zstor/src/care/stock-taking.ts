import type { Backends } from '../blob/shard-spread.ts';
import type { ShardFault } from '../blob/shard-fetch.ts';
import type { ChunkTables } from '../blob/chunk-table.ts';
import { nowhere } from '../blob/chunk-record.ts';
import { ShardInventory } from '../rebuild/shard-inventory.ts';
import type { MendedChunks } from './chunk-mender.ts';
import { walkChunks } from './chunk-walk.ts';

export interface StockTakingOptions {
  readonly tables: Pick<ChunkTables, 'read'>;
  readonly chunks: Pick<MendedChunks, 'find'>;
  readonly backends: Backends;
  /** Of a file that is made and removed. */
  readonly path: string;
  /** Hears of shards that backends have no key of; they are looked at again before anything is done. */
  readonly onFault: (fault: ShardFault) => void;
}

/**
 * Lists the keys of all backends, and compares them with the records: finds what a backend has lost
 * without saying so, as one does that was brought back from an old copy of its disk. What no record
 * names is the business of collection. @returns how many are missing
 */
export async function takeStock(
  { tables, chunks, backends, path, onFault }: StockTakingOptions,
  signal: AbortSignal,
): Promise<number> {
  await using inventory = await ShardInventory.take(path, backends, signal);
  let missing = 0;
  for await (const page of walkChunks(tables, signal)) {
    for (const { id } of page) {
      const record = chunks.find(id);
      if (record === undefined) continue;
      const found = inventory.locate(record, () => false);
      for (const [index, backendNo] of record.locations.entries()) {
        if (backendNo === nowhere || found[index] === backendNo) continue;
        missing++;
        onFault({ chunkId: id, index, backendNo, kind: 'missing' });
      }
    }
  }
  return missing;
}
