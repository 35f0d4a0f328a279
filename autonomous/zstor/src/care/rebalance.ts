import { isGridError } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { ChunkTables } from '../blob/chunk-table.ts';
import type { Backends } from '../blob/shard-spread.ts';
import { valueBytesOf } from '../chunk/shard.ts';
import { Balance } from './balance.ts';
import type { ChunkMender } from './chunk-mender.ts';
import { walkChunks } from './chunk-walk.ts';
import type { WalkedChunk } from './chunk-walk.ts';

export interface RebalanceOptions {
  readonly tables: Pick<ChunkTables, 'read'>;
  readonly backends: Backends;
  /** With a rate of its own. */
  readonly mender: ChunkMender;
  /** Whether nothing else is to be done first. */
  readonly isCalm: () => boolean;
  readonly logger: Logger;
}

export interface RebalanceCounts {
  shards: number;
  bytes: number;
}

/**
 * Moves shards from backends that are full to others, when they are filled unevenly: one at a time,
 * each to where its chunk prefers it among those that have more room than most.
 */
export class Rebalance {
  readonly counts: RebalanceCounts = { shards: 0, bytes: 0 };
  readonly #o: RebalanceOptions;

  constructor(options: RebalanceOptions) {
    this.#o = options;
  }

  /** @param bytesOf what records have on a backend. @throws BASE_ABORTED */
  async run(bytesOf: (no: number) => number, signal: AbortSignal): Promise<void> {
    const { backends, tables, isCalm, logger } = this.#o;
    const balance = new Balance(backends.all, bytesOf);
    if (!balance.isUneven) return;
    logger.info('backends are filled unevenly: shards are moved');
    for await (const page of walkChunks(tables, signal)) {
      for (const chunk of page) {
        if (balance.isEven || !isCalm()) return;
        await this.#relieve(chunk, balance, signal);
      }
    }
  }

  /** One shard of a chunk at most: the next one finds another state. */
  async #relieve(chunk: WalkedChunk, balance: Balance, signal: AbortSignal): Promise<void> {
    if (chunk.kind === 'copied') return;
    const index = chunk.locations.findIndex((no) => balance.isFull(no));
    const from = chunk.locations[index];
    if (from === undefined) return;
    try {
      const to = await this.#o.mender.relocate(chunk.id, index, new Set(balance.closed), signal);
      if (to === undefined) return;
      const bytes = valueBytesOf(chunk.bodyBytes, chunk.dataShards);
      balance.moved(from, to, bytes);
      this.counts.shards++;
      this.counts.bytes += bytes;
    } catch (error) {
      if (!isGridError(error) || signal.aborted) throw error;
      this.#o.logger.debug({ err: error }, 'a shard is not moved');
    }
  }
}
