import { GridError } from '@commongrid/base';
import { shardKey } from '../backends/backend.ts';
import type { StoragePolicy } from '../blob/blob-writer.ts';
import type { ChunkIds } from '../blob/chunk-ids.ts';
import { nowhere } from '../blob/chunk-record.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import { candidatesOf, ShardSpread } from '../blob/shard-spread.ts';
import type { Backends } from '../blob/shard-spread.ts';
import { sharedPool } from '../chunk/buffer-pool.ts';
import { digestOf } from '../chunk/shard.ts';
import type { ZstorErrorCode } from '../errors.ts';
import { placeShards } from '../placement/place-shards.ts';
import type { CodingThreads } from '../threads/coding-threads.ts';
import { packBodyBytesOf, writePackList } from './pack-body.ts';
import type { PackEntry } from './pack-body.ts';
import type { SmallBody } from './pack-reader.ts';

/** A pack whose shards are all on disk, and that nothing refers to yet. */
export interface WrittenPack {
  readonly record: ChunkRecord;
  readonly entries: readonly PackEntry[];
  /** To be called when it is referred to. A pack that is not stays without a record, and is deleted. */
  readonly end: () => void;
}

interface Pack {
  readonly body: Buffer<ArrayBuffer>;
  readonly entries: readonly PackEntry[];
}

/** The body of a pack, in a buffer of the pool. */
export function packOf(bodies: readonly SmallBody[]): Pack {
  const contentBytes = bodies.reduce((sum, { body }) => sum + body.length, 0);
  const body = sharedPool().take(packBodyBytesOf(contentBytes, bodies.length));
  let offset = 0;
  const entries = bodies.map((small): PackEntry => {
    const { length: bytes } = small.body;
    body.set(small.body, offset);
    offset += bytes;
    return { chunkId: small.chunkId, offset: offset - bytes, bytes };
  });
  writePackList(body, entries);
  return { body, entries };
}

/** Whether there are nodes enough for each shard of a pack to be on one of its own. */
export function canWritePack(backends: Backends, policy: StoragePolicy): boolean {
  const { locations, dataShards, parityShards } = policy;
  const allowed = candidatesOf(backends).filter(({ no }) => locations?.includes(no) ?? true);
  return new Set(allowed.map(({ place }) => place.node)).size >= dataShards + parityShards;
}

/**
 * Codes a pack and writes all its shards, each on a node of its own: it survives then what the copies of
 * its objects did.
 * @throws ZSTOR_BACKENDS_TOO_FEW when there are too few nodes; what was written is left to collection
 */
export async function writePack(
  parts: {
    readonly backends: Backends;
    readonly threads: CodingThreads;
    readonly ids: ChunkIds;
    readonly policy: StoragePolicy;
  },
  { body, entries }: Pack,
): Promise<WrittenPack> {
  const { backends, threads, ids, policy } = parts;
  const { dataShards, parityShards } = policy;
  const request = ids.begin();
  try {
    const id = request.next();
    const bodyBytes = body.length;
    const placement = placeShards(id, candidatesOf(backends), policy);
    const { shards, memory } = await threads.code(policy, id, body);
    const digests = shards.map((shard) => Uint8Array.from(digestOf(shard)));
    const spread = new ShardSpread({
      ...{ backends, chunkId: id, rules: policy, placement, kind: 'coded' },
      keyOf: (index) => shardKey(id, index),
      valueOf: (index) => shards[index]?.value ?? memory,
    });
    await spread.ended;
    sharedPool().give(memory);
    const { locations } = spread;
    if (!isOnNodesOfTheirOwn(locations, backends)) throw tooFewNodes(locations.length);
    const shape = { kind: 'coded', dataShards, parityShards, bodyBytes, digests } as const;
    return { record: { id, ...shape, locations }, entries, end: () => request.end() };
  } catch (error) {
    request.end();
    throw error;
  }
}

function isOnNodesOfTheirOwn(locations: readonly number[], backends: Backends): boolean {
  const nodes = locations.map((no) => (no === nowhere ? undefined : backends.byNo(no)?.place.node));
  return !nodes.includes(undefined) && new Set(nodes).size === locations.length;
}

function tooFewNodes(wanted: number): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_BACKENDS_TOO_FEW', `a pack needs ${wanted} nodes that take shards`, {
    hint: 'bring backends back; small objects stay copies until then',
    retryable: true,
    details: { wanted },
  });
}
