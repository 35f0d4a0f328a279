import { isGridError, throwIfAborted } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import { copyKey, chunkKeyOf, shardKey } from '../backends/backend.ts';
import type { Backend } from '../backends/backend.ts';
import { nowhere, valueBytesOfRecord } from '../blob/chunk-record.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import type { ShardFault } from '../blob/shard-fetch.ts';
import type { Backends } from '../blob/shard-spread.ts';
import { hashStretch, parseShardOf } from '../chunk/shard.ts';

import type { ByteBudget } from './byte-budget.ts';
import type { MendedChunks } from './chunk-mender.ts';

/** Of so many shards one is read whole: a backend might know all hashes and have no values. */
const readEvery = 64;
/** Chunks that are audited at a time. */
const auditsMax = 4;
/** Keys found damaged that are remembered, so that each is reported once. */
const damagedKnownMax = 100_000;

export interface ShardAuditOptions {
  readonly backends: Backends;
  readonly chunks: Pick<MendedChunks, 'find'>;
  readonly onFault: (fault: ShardFault) => void;
  readonly random: Random;
}

export interface AuditCounts {
  chunks: number;
  shards: number;
  bytes: number;
  /** Shards that are missing or wrong. */
  faults: number;
  /** Shards on backends that do not answer. */
  away: number;
}

/** Compares what backends have with what was written. */
export class ShardAudit {
  readonly #o: ShardAuditOptions;
  readonly #damaged = new Set<string>();

  constructor(options: ShardAuditOptions) {
    this.#o = options;
  }

  /**
   * Has backends hash the shards of chunks, and compares that with the records.
   * @param rate of what they read; without it as fast as they do
   */
  async run(
    ids: AsyncIterable<readonly { readonly id: Uint8Array }[]>,
    counts: AuditCounts,
    signal: AbortSignal,
    rate?: ByteBudget,
  ): Promise<void> {
    for await (const page of ids) {
      const left = page.values();
      const worker = async (): Promise<void> => {
        for (const { id } of left) await this.#audit(id, counts, signal, rate);
      };
      await Promise.all(Array.from({ length: auditsMax }, worker));
    }
  }

  /** Asks backends what their own scrub found. */
  async askDamaged(): Promise<void> {
    await Promise.all(this.#o.backends.all.map((backend) => this.#askDamaged(backend)));
  }

  async #audit(
    id: Uint8Array,
    counts: AuditCounts,
    signal: AbortSignal,
    rate: ByteBudget | undefined,
  ): Promise<void> {
    throwIfAborted(signal);
    const record = this.#o.chunks.find(id);
    if (record === undefined) return;
    const valueBytes = valueBytesOfRecord(record);
    await rate?.take(record.locations.length * valueBytes, signal);
    counts.chunks++;
    const checks = record.locations.map(async (no, index) => {
      const backend = this.#o.backends.byNo(no);
      // What is nowhere is known to be missing.
      if (no === nowhere) return;
      const state = backend === undefined ? 'away' : await this.#stateOf(record, index, backend);
      counts.shards++;
      if (state === 'away') counts.away++;
      else counts.bytes += valueBytes;
      if (state === 'away' || state === 'right') return;
      counts.faults++;
      this.#o.onFault({ chunkId: id, index, backendNo: no, kind: state });
    });
    await Promise.all(checks);
  }

  async #stateOf(
    record: ChunkRecord,
    index: number,
    backend: Backend,
  ): Promise<'right' | 'wrong' | 'missing' | 'away'> {
    const { id, kind, digests } = record;
    const at = kind === 'copied' ? 0 : index;
    const key = kind === 'copied' ? copyKey(id) : shardKey(id, index);
    const expected = digests[at] ?? Buffer.alloc(0);
    try {
      if (this.#o.random.int(0, readEvery - 1) === 0) {
        const value = await backend.get(key, valueBytesOfRecord(record));
        if (value === undefined) return 'missing';
        parseShardOf(value, { chunkId: id, index: at, digest: expected });
        return 'right';
      }
      const digest = await backend.digest(key, Buffer.alloc(0), hashStretch);
      if (digest === undefined) return 'missing';
      return Buffer.compare(digest, expected) === 0 ? 'right' : 'wrong';
    } catch (error) {
      if (!isGridError(error)) throw error;
      return isGridError(error, 'ZSTOR_BACKEND_FAILED') || isGridError(error, 'ZSTOR_BACKEND_BUSY')
        ? 'away'
        : 'wrong';
    }
  }

  async #askDamaged(backend: Backend): Promise<void> {
    let keys: readonly Uint8Array[];
    try {
      if (backend.state !== 'healthy') return;
      keys = await backend.damagedKeys();
    } catch (error) {
      // It is asked again.
      if (!isGridError(error)) throw error;
      return;
    }
    if (this.#damaged.size > damagedKnownMax) this.#damaged.clear();
    for (const key of keys) {
      const name = `${backend.no} ${Buffer.from(key).toString('latin1')}`;
      const part = chunkKeyOf(Buffer.from(key));
      if (part === undefined || this.#damaged.has(name)) continue;
      this.#damaged.add(name);
      const { chunkId } = part;
      const record = this.#o.chunks.find(chunkId);
      const index = part.index ?? record?.locations.indexOf(backend.no) ?? -1;
      if (record?.locations[index] !== backend.no) continue;
      this.#o.onFault({ chunkId, index, backendNo: backend.no, kind: 'wrong' });
    }
  }
}

export function newAuditCounts(): AuditCounts {
  return { chunks: 0, shards: 0, bytes: 0, faults: 0, away: 0 };
}
