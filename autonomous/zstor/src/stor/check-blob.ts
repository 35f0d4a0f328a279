import { isGridError, systemRandom } from '@commongrid/base';
import type { Backend } from '../backends/backend.ts';
import { copyKey, shardKey } from '../backends/backend.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import type { Backends } from '../blob/shard-spread.ts';

const nonceBytes = 16;

/** What of a blob is where it should be. */
export interface BlobCheck {
  readonly chunks: number;
  /** Shards that there should be, copies of small objects too. */
  readonly shards: number;
  /** Their backends could read them. */
  readonly present: number;
  /** Their backends do not have them, or there is none that should. */
  readonly missing: number;
  /** Their backends do not answer, cannot read them, or have left the backends file. */
  readonly away: number;
  /** Chunks that cannot be read now. */
  readonly unreadableChunks: number;
}

type ShardState = 'present' | 'missing' | 'away';

/** Has each backend read its shards, by a digest over them: nothing is downloaded. */
export async function checkBlob(
  records: readonly ChunkRecord[],
  backends: Backends,
  signal?: AbortSignal,
): Promise<BlobCheck> {
  const counts = { present: 0, missing: 0, away: 0 };
  let unreadableChunks = 0;
  for (const record of records) {
    signal?.throwIfAborted();
    const { locations, dataShards } = record;
    const states = await Promise.all(
      locations.map((no, index) => stateOf(record, index, backends.byNo(no), no)),
    );
    for (const state of states) counts[state]++;
    const present = states.filter((state) => state === 'present').length;
    if (present < dataShards) unreadableChunks++;
  }
  const shards = counts.present + counts.missing + counts.away;
  return { chunks: records.length, shards, ...counts, unreadableChunks };
}

async function stateOf(
  { id, kind }: ChunkRecord,
  index: number,
  backend: Backend | undefined,
  no: number,
): Promise<ShardState> {
  if (backend === undefined) return no === 0 ? 'missing' : 'away';
  const key = kind === 'copied' ? copyKey(id) : shardKey(id, index);
  try {
    const digest = await backend.digest(key, systemRandom.bytes(nonceBytes));
    return digest === undefined ? 'missing' : 'present';
  } catch (error) {
    if (!isGridError(error)) throw error;
    return 'away';
  }
}
