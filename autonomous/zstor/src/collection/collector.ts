import type { DatabaseSync } from 'node:sqlite';
import { isGridError, silentLogger, systemClock, throwIfAborted } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import { copyKey, shardKey } from '../backends/backend.ts';
import type { ChunkIds } from '../blob/chunk-ids.ts';
import type { ChunkPins } from '../blob/chunk-pins.ts';
import { findChunk } from '../blob/chunk-table.ts';
import type { ChunkTables } from '../blob/chunk-table.ts';
import type { Backends } from '../blob/shard-spread.ts';
import type { ByteBudget } from '../care/byte-budget.ts';
import { statementOf } from '../catalog/statement-of.ts';
import { forgetSlice } from '../packing/pack-tables.ts';
import { isRebuilt } from '../rebuild/rebuild-tables.ts';
import { findDead, listDead } from './dead-tables.ts';
import type { Dead } from './dead-tables.ts';

/**
 * A chunk that is dead keeps its shards for so long: who has looked a blob up begins to read it, and
 * pins it, within this time.
 */
const graceMs = 10_000;
/** Dead chunks whose age is known; others wait until these are gone. */
const youngMax = 100_000;
/** Chunks whose shards are deleted, and then their records in one change. */
const batchMax = 250;

/** The tables of a catalogue, and the right to act on what they say. */
export interface LeasedTables extends ChunkTables {
  readonly isServing: boolean;
  /** @throws ZSTOR_CATALOG_NOT_SERVING when another head may serve by now */
  requireLease(): void;
}

/** What collection and packing have in common. */
export interface CollectionParts {
  readonly tables: LeasedTables;
  readonly backends: Backends;
  readonly ids: ChunkIds;
  readonly pins: ChunkPins;
  /**
   * Chunks of snapshots, which are read by where their shards were: these stay there until another
   * snapshot has taken the place of that one.
   */
  readonly snapshotChunks?: () => readonly Uint8Array[];
  /** Whether what versions replaced must stay for now. Default: no. */
  readonly isHeld?: () => boolean;
  /** Keys that are deleted or looked at each second. */
  readonly keyBudget: ByteBudget;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Called between any two steps: what follows may not happen. For tests of just that. */
  readonly onStep?: ((step: string) => void) | undefined;
}

export interface CollectOptions {
  /** Takes those that have just died, too. Default false. */
  readonly isAtOnce?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Deletes the shards of chunks that are `dead`, and then their records. */
export class Collector {
  readonly #o: CollectionParts;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #seenMs = new Map<string, number>();

  constructor(parts: CollectionParts) {
    this.#o = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#logger = parts.logger ?? silentLogger;
  }

  /**
   * Goes through all that is dead once. What is being read, or has just been written, waits; all of it
   * while the tables are rebuilt and not accepted.
   * @returns how many chunks are gone
   * @throws ZSTOR_CATALOG_NOT_SERVING, ZSTOR_CATALOG_RESULT_UNKNOWN, BASE_ABORTED
   */
  async collect({ isAtOnce = false, signal }: CollectOptions = {}): Promise<number> {
    const { tables } = this.#o;
    let count = 0;
    let after: Buffer = Buffer.alloc(0);
    const stillDead = new Map<string, number>();
    for (;;) {
      throwIfAborted(signal);
      if (tables.read(isRebuilt) || this.#o.isHeld?.() === true) return count;
      const page = tables.read((db) => listDead(db, after, batchMax));
      const ripe = page.filter((dead) => this.#isRipe(dead, isAtOnce));
      if (ripe.length > 0) await this.#delete(ripe, signal);
      for (const { chunkId } of page) this.#keepAge(chunkId, stillDead);
      count += ripe.length;
      const last = page.at(-1);
      if (last === undefined || page.length < batchMax) break;
      after = last.chunkId;
    }
    // Those that another head has collected meanwhile would be counted for ever.
    this.#seenMs = stillDead;
    return count;
  }

  #keepAge(chunkId: Buffer, stillDead: Map<string, number>): void {
    const name = chunkId.toString('latin1');
    const seenMs = this.#seenMs.get(name);
    if (seenMs !== undefined) stillDead.set(name, seenMs);
  }

  #isRipe({ chunkId }: Dead, isAtOnce: boolean): boolean {
    const { pins, ids } = this.#o;
    // Shards of it may still be on their way: they would be left over.
    if (pins.has(chunkId) || ids.mayBeInFlight(chunkId)) return false;
    if (isAtOnce) return true;
    const name = chunkId.toString('latin1');
    const nowMs = this.#clock.monotonicMs();
    const seenMs = this.#seenMs.get(name);
    if (seenMs !== undefined) return nowMs - seenMs >= graceMs;
    if (this.#seenMs.size < youngMax) this.#seenMs.set(name, nowMs);
    return false;
  }

  async #delete(ripe: readonly Dead[], signal: AbortSignal | undefined): Promise<void> {
    const { tables, backends, keyBudget, onStep } = this.#o;
    const keys = tables.read((db) => keysByBackend(db, ripe));
    const count = [...keys.values()].reduce((sum, each) => sum + each.length, 0);
    await keyBudget.take(count, signal);
    onStep?.('dead chunks are chosen');
    tables.requireLease();
    await Promise.all(
      [...keys].map(async ([no, some]) => {
        try {
          await backends.byNo(no)?.remove(some);
          onStep?.('a backend has deleted shards');
        } catch (err) {
          if (!isGridError(err)) throw err;
          // What it keeps has no record then: it goes when the keys of that backend are looked through.
          this.#logger.debug({ err, no }, 'shards stay for now');
        }
      }),
    );
    onStep?.('shards are deleted');
    await tables.write((db) => {
      for (const dead of ripe) forget(db, dead);
    });
    for (const { chunkId } of ripe) this.#seenMs.delete(chunkId.toString('latin1'));
    onStep?.('dead chunks are forgotten');
  }
}

/** The keys of shards and copies, where the records say that they are. */
function keysByBackend(db: DatabaseSync, ripe: readonly Dead[]): Map<number, Buffer[]> {
  const keys = new Map<number, Buffer[]>();
  for (const { chunkId } of ripe) {
    const record = findChunk(db, chunkId);
    for (const [index, no] of record?.locations.entries() ?? []) {
      if (no === 0) continue;
      const key = record?.kind === 'copied' ? copyKey(chunkId) : shardKey(chunkId, index);
      const others = keys.get(no);
      if (others === undefined) keys.set(no, [key]);
      else others.push(key);
    }
  }
  return keys;
}

/** The records of what was deleted; a small object that died meanwhile in its pack waits its turn. */
function forget(db: DatabaseSync, { chunkId, copiesOnly }: Dead): void {
  const now = findDead(db, chunkId);
  if (now === undefined) return;
  statementOf(db, 'DELETE FROM chunks WHERE id = ?').run(chunkId);
  statementOf(db, 'DELETE FROM given_up WHERE chunk = ?').run(chunkId);
  if (copiesOnly !== now.copiesOnly) return;
  statementOf(db, 'DELETE FROM dead WHERE chunk = ?').run(chunkId);
  if (!copiesOnly) forgetSlice(db, chunkId);
}
