import { isGridError } from '@commongrid/base';
import type { Backend } from '../backends/backend.ts';
import { keyPages } from '../backends/key-pages.ts';
import type { StoragePolicy } from '../blob/blob-writer.ts';
import type { Backends } from '../blob/shard-spread.ts';
import { CopyWriter } from '../manifest/copies.ts';
import { openBytes, sealBytes } from './sealed-bytes.ts';

/** A snapshot that backends know of. */
export interface IndexedSnapshot {
  /** Of its first chunk: later snapshots have higher ones. */
  readonly chunkId: Buffer;
  readonly pointer: Buffer;
}

export interface SnapshotIndexOptions {
  readonly backends: Backends;
  /** Of the store; seals pointers. */
  readonly key: Uint8Array;
}

/**
 * Where snapshots are, on the backends themselves: for when the log, which knows it, is lost. Each has
 * its sealed pointer on m + 1 nodes, under `C` and the id of its first chunk.
 */
export class SnapshotIndex {
  readonly #o: SnapshotIndexOptions;

  constructor(options: SnapshotIndexOptions) {
    this.#o = options;
  }

  /** @throws ZSTOR_BACKENDS_TOO_FEW */
  async write({ chunkId, pointer }: IndexedSnapshot, policy: StoragePolicy): Promise<void> {
    const { backends, key } = this.#o;
    const indexKey = indexKeyOf(chunkId);
    const value = sealBytes(key, pointer, about(indexKey));
    const entries = [{ key: indexKey, value }];
    await new CopyWriter(backends).write({ id: chunkId, entries }, policy);
  }

  /** From all backends that answer. */
  async remove(chunkId: Uint8Array): Promise<void> {
    const keys = [indexKeyOf(chunkId)];
    await Promise.all(this.#o.backends.all.map((backend) => removeFrom(backend, keys)));
  }

  /** All that backends which answer know of, the newest first. */
  async list(): Promise<IndexedSnapshot[]> {
    const { backends, key } = this.#o;
    const found = new Map<string, IndexedSnapshot>();
    for (const backend of backends.all) {
      if (backend.state !== 'healthy') continue;
      for await (const page of keyPages(backend, 'C')) {
        for (const { key: indexKey, valueBytes } of page) {
          const chunkId = indexKey.subarray(1);
          if (found.has(chunkId.toString('hex'))) continue;
          const value = await backend.get(indexKey, valueBytes);
          const pointer = value && openBytes(key, value, about(indexKey));
          if (pointer !== undefined) found.set(chunkId.toString('hex'), { chunkId, pointer });
        }
      }
    }
    return [...found.values()].toSorted((a, b) => Buffer.compare(b.chunkId, a.chunkId));
  }
}

async function removeFrom(backend: Backend, keys: readonly Buffer[]): Promise<void> {
  try {
    await backend.remove(keys);
  } catch (error) {
    // It is away: what it keeps points to a snapshot that cannot be read, and the next one is tried.
    if (!isGridError(error)) throw error;
  }
}

function indexKeyOf(chunkId: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('C'), chunkId]);
}

function about(indexKey: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('commongrid/zstor-snapshot-index/1\0'), indexKey]);
}
