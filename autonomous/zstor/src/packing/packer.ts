import { isGridError, silentLogger, systemClock, throwIfAborted } from '@commongrid/base';
import type { BaseErrorCode, Clock, Logger } from '@commongrid/base';
import type { Credit } from '../backends/credit.ts';
import type { StoragePolicy } from '../blob/blob-writer.ts';
import { findChunk } from '../blob/chunk-table.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import { keptPart, writeBytesOf } from '../blob/stream-budget.ts';
import type { ByteBudget } from '../care/byte-budget.ts';
import type { CollectionParts } from '../collection/collector.ts';
import type { CodingThreads } from '../threads/coding-threads.ts';
import { readPackList } from './pack-body.ts';
import { readBodies, readBody } from './pack-reader.ts';
import type { SmallBody } from './pack-reader.ts';
import {
  copiedChunks,
  holedPacks,
  packBytes,
  slicesIn,
  switchPacks,
  switchToPack,
} from './pack-tables.ts';
import type { Copied, Holed } from './pack-tables.ts';
import { canWritePack, packOf, writePack } from './pack-writer.ts';
import type { WrittenPack } from './pack-writer.ts';

/** Small objects wait so long for others to be packed with. */
const packAfterMs = 10_000;
/** Most small objects of one pack. */
const packEntriesMax = 4096;
/** Packs that are looked at when holes are to be closed. */
const holedMax = 1000;
/** What could not be read is left alone for so long: it is repaired meanwhile. */
const setAsideMs = 60_000;
/** Chunks that are remembered as unreadable; then all are tried again. */
const asideMax = 10_000;

export interface PackingParts extends CollectionParts {
  readonly threads: CodingThreads;
  readonly budget: Credit;
  /** Bytes that are packed each second. */
  readonly byteBudget: ByteBudget;
  /** Its k, and where shards may be. m is that of the objects: they survive as much as before. */
  readonly policy: StoragePolicy;
}

export interface PackOptions {
  /** Packs what there is, however little. Default false. */
  readonly isAtOnce?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Gathers small objects, each of which is m + 1 copies, into chunks of k + m shards; and packs in which
 * little is left into new ones. Each object keeps its own encryption: nothing is opened for it.
 *
 * Where fewer than k + m nodes take shards nothing is packed: copies survive more then.
 */
export class Packer {
  readonly #o: PackingParts;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** Since when some wait to be packed, by their m. */
  readonly #waitingMs = new Map<number, number>();
  readonly #asideMs = new Map<string, number>();

  constructor(parts: PackingParts) {
    this.#o = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#logger = parts.logger ?? silentLogger;
  }

  /**
   * Packs small objects as long as there are enough for a pack, or some have waited for 10 s.
   * @returns how many are packed
   * @throws ZSTOR_CATALOG_NOT_SERVING, ZSTOR_CATALOG_RESULT_UNKNOWN, BASE_ABORTED
   */
  async pack(options: PackOptions = {}): Promise<number> {
    let count = 0;
    for (;;) {
      const packed = await this.#packOnce(options);
      if (packed === 0) return count;
      count += packed;
    }
  }

  /** Makes one pack, if one can be made: those of another m, or that came later, may be able to. */
  async #packOnce({ isAtOnce = false, signal }: PackOptions): Promise<number> {
    const { tables } = this.#o;
    const parities = new Set<number>();
    let after: Uint8Array = Buffer.alloc(0);
    for (;;) {
      throwIfAborted(signal);
      const from = after;
      const page = tables.read((db) => copiedChunks(db, from, packEntriesMax));
      for (const { parityShards } of page) parities.add(parityShards);
      for (const due of this.#due(page, isAtOnce)) {
        const packed = await this.#packSome(due, signal);
        if (packed > 0) return packed;
      }
      const last = page.at(-1);
      if (last === undefined || page.length < packEntriesMax) break;
      after = last.chunkId;
    }
    for (const parity of this.#waitingMs.keys()) {
      if (!parities.has(parity)) this.#waitingMs.delete(parity);
    }
    return 0;
  }

  /**
   * Packs again what is left in packs with large holes, and in small ones, when it gives a full pack or
   * gives back as much. Throws as `pack`.
   * @returns how many packs are gone
   */
  async repack(options: PackOptions = {}): Promise<number> {
    let count = 0;
    for (;;) {
      const gone = await this.#repackOnce(options.signal);
      if (gone === 0) return count;
      count += gone;
    }
  }

  async #repackOnce(signal: AbortSignal | undefined): Promise<number> {
    for (const former of this.#holed()) {
      throwIfAborted(signal);
      if (await this.#repackSome(former, signal)) return former.length;
    }
    return 0;
  }

  /** What can go into a pack each: objects of one m, in the order in which they were written. */
  #due(page: readonly Copied[], isAtOnce: boolean): readonly (readonly Copied[])[] {
    const { ids } = this.#o;
    const nowMs = this.#clock.monotonicMs();
    const copied = page.filter(
      ({ chunkId }) => !ids.mayBeInFlight(chunkId) && !this.#isAside(chunkId),
    );
    const groups = Map.groupBy(copied, ({ parityShards }) => parityShards);
    return [...groups].flatMap(([parity, group]) => {
      const sinceMs = this.#waitingMs.get(parity) ?? nowMs;
      this.#waitingMs.set(parity, sinceMs);
      const some = firstOf(group, packBytes);
      const isFull = some.length < group.length || group.length === packEntriesMax;
      return isFull || isAtOnce || nowMs - sinceMs >= packAfterMs ? [some] : [];
    });
  }

  async #packSome(some: readonly Copied[], signal: AbortSignal | undefined): Promise<number> {
    const { tables, onStep, byteBudget } = this.#o;
    const parityShards = some[0]?.parityShards ?? 0;
    const records = tables.read((db) => some.map(({ chunkId }) => findChunk(db, chunkId)));
    await byteBudget.take(sumOf(some), signal);
    const packed = await this.#write(parityShards, signal, async () => {
      const copies = records.flatMap((record) => (record?.kind === 'copied' ? record : []));
      const { bodies, unread } = await readBodies(this.#o, copies, signal);
      for (const { id } of unread) this.#setAside(id);
      onStep?.('copies are read');
      return bodies;
    });
    if (packed === undefined) return 0;
    try {
      const { record, entries } = packed;
      onStep?.('a pack is written');
      const count = await tables.write((db) => switchToPack(db, record, entries));
      onStep?.('objects are read from the pack');
      this.#waitingMs.delete(parityShards);
      return count;
    } finally {
      packed.end();
    }
  }

  /** Packs, each time of one m, that fill a new one, or of which as much as a pack can be given back. */
  #holed(): readonly (readonly ChunkRecord[])[] {
    const { tables } = this.#o;
    const found = tables.read((db) =>
      holedPacks(db, holedMax).flatMap((holed) => {
        const record = this.#isAside(holed.pack) ? undefined : findChunk(db, holed.pack);
        return record === undefined ? [] : { ...holed, record };
      }),
    );
    const groups = Map.groupBy(found, ({ record }) => record.parityShards);
    return [...groups.values()].flatMap((alike) => {
      const chosen = worthPacking(alike);
      return chosen.length === 0 ? [] : [chosen.map(({ record }) => record)];
    });
  }

  async #repackSome(
    former: readonly ChunkRecord[],
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const { tables, onStep, byteBudget } = this.#o;
    await byteBudget.take(
      former.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0),
      signal,
    );
    const parityShards = former[0]?.parityShards ?? 0;
    const packed = await this.#write(parityShards, signal, async () => {
      const bodies: SmallBody[] = [];
      for (const record of former) {
        const body = await readBody(this.#o, record, signal);
        if (body === undefined) {
          this.#setAside(record.id);
          return [];
        }
        const live = tables.read((db) => slicesIn(db, record.id, readPackList(body)));
        for (const { chunkId, offset, bytes } of live) {
          bodies.push({ chunkId, body: body.subarray(offset, offset + bytes) });
        }
      }
      onStep?.('packs are read');
      return bodies;
    });
    if (packed === undefined) return false;
    try {
      const { record, entries } = packed;
      onStep?.('a pack is written again');
      const ids = former.map(({ id }) => id);
      await tables.write((db) => switchPacks(db, ids, record, entries));
      onStep?.('objects are read from the new pack');
      return true;
    } finally {
      packed.end();
    }
  }

  /** Writes a pack; undefined when it has to wait: for memory, for nodes, or for something to pack. */
  async #write(
    parityShards: number,
    signal: AbortSignal | undefined,
    read: () => Promise<readonly SmallBody[]>,
  ): Promise<WrittenPack | undefined> {
    const { budget } = this.#o;
    const policy = { ...this.#o.policy, parityShards };
    if (!canWritePack(this.#o.backends, policy)) return undefined;
    // What is read, and the shards that are made of it.
    const neededBytes = packBytes + writeBytesOf(policy, packBytes);
    const loan = budget.tryTake(neededBytes, budget.totalBytes * keptPart);
    if (loan === undefined) return undefined;
    try {
      const bodies = await read();
      throwIfAborted(signal);
      if (bodies.length === 0) return undefined;
      return await writePack({ ...this.#o, policy }, packOf(bodies));
    } catch (error) {
      const isClosing = isGridError<BaseErrorCode>(error, 'BASE_ABORTED');
      if (isClosing || !isGridError(error)) throw error;
      this.#logger.warn({ err: error }, 'small objects stay as they are for now');
      return undefined;
    } finally {
      loan.release();
    }
  }

  #isAside(chunkId: Uint8Array): boolean {
    const untilMs = this.#asideMs.get(Buffer.from(chunkId).toString('latin1')) ?? 0;
    return untilMs > this.#clock.monotonicMs();
  }

  #setAside(chunkId: Uint8Array): void {
    if (this.#asideMs.size >= asideMax) this.#asideMs.clear();
    const name = Buffer.from(chunkId).toString('latin1');
    this.#asideMs.set(name, this.#clock.monotonicMs() + setAsideMs);
  }
}

/** The first ones that fit into one pack, when that fills it or gives back as much as one. */
function worthPacking<T extends Holed>(alike: readonly T[]): readonly T[] {
  const chosen: T[] = [];
  let liveBytes = 0;
  let bytes = 0;
  for (const each of alike) {
    if (liveBytes + each.liveBytes > packBytes) break;
    chosen.push(each);
    liveBytes += each.liveBytes;
    bytes += each.bytes;
  }
  const isFull = chosen.length > 1 && chosen.length < alike.length;
  return isFull || bytes - liveBytes >= packBytes ? chosen : [];
}

/** The first ones that have so many bytes together. */
function firstOf(copied: readonly Copied[], bytesMax: number): readonly Copied[] {
  let bytes = 0;
  const end = copied.findIndex(({ bodyBytes }) => {
    bytes += bodyBytes;
    return bytes > bytesMax;
  });
  return end === -1 ? copied : copied.slice(0, end);
}

function sumOf(copied: readonly Copied[]): number {
  return copied.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
}
