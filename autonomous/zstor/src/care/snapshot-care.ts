import type { Clock } from '@commongrid/base';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import { findChunk } from '../blob/chunk-table.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { burySuperseded, hasSuperseded } from './reencode.ts';

/** Two reasons for a new snapshot within this time end in one. */
const snapshotEveryMs = 60_000;

export interface SnapshotCareOptions {
  readonly catalog: Catalog;
  /** Ids of the chunks that snapshots of the tables are in. */
  readonly snapshotChunks: () => readonly Uint8Array[];
  /** Those of the newest, as its pointer has them. */
  readonly snapshotRecords: () => readonly ChunkRecord[];
  /** Default 1 min. */
  readonly everyMs?: number | undefined;
  readonly clock: Clock;
}

/**
 * Takes a new snapshot of the tables when shards of one were moved: what says where they are cannot be
 * changed. And before chunks die in the place of which there are others.
 */
export class SnapshotCare {
  readonly #o: SnapshotCareOptions;
  #isMoved = false;
  #nextMs = 0;
  #comparedAt: number | undefined;

  constructor(options: SnapshotCareOptions) {
    this.#o = options;
  }

  /** The shards of a chunk are elsewhere now. */
  moved(chunkId: Uint8Array): void {
    if (this.#isMoved) return;
    const chunks = this.#o.snapshotChunks();
    this.#isMoved = chunks.some((id) => Buffer.compare(id, chunkId) === 0);
  }

  /** Throws as `Catalog.takeSnapshot`. */
  async look(): Promise<void> {
    const { catalog, clock, everyMs = snapshotEveryMs } = this.#o;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.#nextMs || !catalog.isServing) return;
    // What an earlier head moved, and could not say any more.
    if (this.#comparedAt !== catalog.epoch) this.#isMoved ||= this.#isElsewhere();
    this.#comparedAt = catalog.epoch;
    const isSuperseded = hasSuperseded(catalog);
    if (!this.#isMoved && !isSuperseded) return;
    this.#nextMs = nowMs + everyMs;
    const isMoved = this.#isMoved;
    this.#isMoved = false;
    try {
      if (isSuperseded) await burySuperseded(catalog);
      else await catalog.takeSnapshot();
    } catch (error) {
      this.#isMoved ||= isMoved;
      throw error;
    }
  }

  #isElsewhere(): boolean {
    const { catalog, snapshotRecords } = this.#o;
    return snapshotRecords().some(({ id, locations }) => {
      const record = catalog.read((db) => findChunk(db, id));
      return record !== undefined && String(record.locations) !== String(locations);
    });
  }
}
