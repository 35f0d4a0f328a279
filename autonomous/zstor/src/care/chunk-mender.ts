import { isGridError } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import { copyKey, shardKey } from '../backends/backend.ts';
import type { Backend } from '../backends/backend.ts';
import type { Credit } from '../backends/credit.ts';
import { nowhere, valueBytesOfRecord } from '../blob/chunk-record.ts';
import type { ChunkRecord, Locations } from '../blob/chunk-record.ts';
import { ShardFetch } from '../blob/shard-fetch.ts';
import type { ShardFault } from '../blob/shard-fetch.ts';
import type { Backends } from '../blob/shard-spread.ts';
import { giveValue, sharedPool } from '../chunk/buffer-pool.ts';
import { digestOf, parseShardOf } from '../chunk/shard.ts';
import type { ShardAddress } from '../chunk/shard.ts';
import type { PlacementRules } from '../placement/placement-rules.ts';
import type { CodingThreads, ShardAnswer } from '../threads/coding-threads.ts';
import type { ByteBudget } from './byte-budget.ts';
import { needOf } from './chunk-need.ts';
import type { PlaceView } from './chunk-need.ts';
import type { QueuedChunk } from './repair-queue.ts';
import { ShardTargets } from './shard-targets.ts';

/** Times that a chunk is looked up again, because somebody else changed its locations. */
const looksMax = 3;

/** What mending needs of the metadata: records themselves, small objects unpacked. */
export interface MendedChunks extends Locations {
  /** See `wasGivenUp` in blob/chunk-table.ts. */
  wasGivenUp(record: ChunkRecord, index: number, backendNo: number): boolean;
}

export interface ChunkMenderOptions {
  readonly backends: Backends;
  readonly threads: CodingThreads;
  /** Memory, shared with streams. */
  readonly budget: Credit;
  readonly chunks: MendedChunks;
  readonly view: PlaceView;
  readonly limits: Omit<PlacementRules, 'dataShards' | 'parityShards'>;
  /** Of what is read and written to make shards again. */
  readonly rate: ByteBudget;
  /** Of what is copied from a backend that has it, and of doubted shards that are read. */
  readonly moveRate: ByteBudget;
  /** Hears of other shards that turn out to be missing or wrong. */
  readonly onFault: (fault: ShardFault) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * How it ended. `fine`: nothing was to be done. `mended`: all that was is. `partly`: some found no
 * place. `unreadable`: fewer than k are there. `gone`: nothing refers to the chunk any more.
 */
export type MendOutcome = 'fine' | 'mended' | 'partly' | 'unreadable' | 'gone';

export interface MendResult {
  readonly outcome: MendOutcome;
  /** Shards that were written. */
  readonly shards: number;
  /** Bytes that were read and written. */
  readonly bytes: number;
  /** Whether the record says something else now. */
  readonly isMoved: boolean;
}

/** What is to be written, by index. */
type Values = Map<number, Uint8Array>;

/**
 * Brings one chunk back to k + m shards where they should be. It writes what is missing or wrong, and
 * what is to be elsewhere, then the locations, if they are still what they were. It deletes nothing: a
 * shard that no record names any more is an orphan.
 */
export class ChunkMender {
  readonly #o: ChunkMenderOptions;

  constructor(options: ChunkMenderOptions) {
    this.#o = options;
  }

  /** @throws ZSTOR_SLOW_DOWN, BASE_ABORTED, as `Catalog.write` */
  async mend({ chunkId, doubted }: QueuedChunk, signal: AbortSignal): Promise<MendResult> {
    let shards = 0;
    let bytes = 0;
    for (let look = 0; look < looksMax; look++) {
      const record = this.#o.chunks.find(chunkId);
      if (record === undefined) return { outcome: 'gone', shards, bytes, isMoved: false };
      const attempt = new MendAttempt(this.#o, padded(record), signal);
      const outcome = await attempt.run(doubted);
      shards += attempt.written;
      bytes += attempt.bytes;
      if (attempt.isUnchanged) return { outcome, shards, bytes, isMoved: false };
      const next = attempt.locations;
      if (await this.#o.chunks.compareAndSet(chunkId, record.locations, next)) {
        return { outcome, shards, bytes, isMoved: true };
      }
    }
    return { outcome: 'partly', shards, bytes, isMoved: false };
  }

  /**
   * Moves one shard that is where it may be to a better place.
   * @param avoid backends that are no better
   * @returns where it is now; undefined when it stayed
   * @throws as `mend`
   */
  async relocate(
    chunkId: Uint8Array,
    index: number,
    avoid: ReadonlySet<number>,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const record = this.#o.chunks.find(chunkId);
    if (record === undefined) return undefined;
    const attempt = new MendAttempt(this.#o, record, signal);
    if (!(await attempt.relocate(index, avoid))) return undefined;
    const { locations } = attempt;
    const isDone = await this.#o.chunks.compareAndSet(chunkId, record.locations, locations);
    return isDone ? locations[index] : undefined;
  }
}

class MendAttempt {
  readonly #o: ChunkMenderOptions;
  readonly #record: ChunkRecord;
  readonly #valueBytes: number;
  readonly #signal: AbortSignal;
  readonly #targets: ShardTargets;
  readonly #written = new Set<number>();
  bytes = 0;

  constructor(options: ChunkMenderOptions, record: ChunkRecord, signal: AbortSignal) {
    this.#o = options;
    this.#record = record;
    this.#valueBytes = valueBytesOfRecord(record);
    this.#signal = signal;
    const { backends, limits, chunks } = options;
    const wasGivenUp = (index: number, no: number): boolean => chunks.wasGivenUp(record, index, no);
    this.#targets = new ShardTargets({ record, backends, limits, wasGivenUp }, record.locations);
  }

  get locations(): readonly number[] {
    return this.#targets.locations;
  }

  /** How many shards were written. */
  get written(): number {
    return this.#written.size;
  }

  get isUnchanged(): boolean {
    return String(this.locations) === String(this.#record.locations);
  }

  async run(doubted: ReadonlySet<number>): Promise<MendOutcome> {
    const { locations, dataShards } = this.#record;
    const need = needOf(this.#record, this.#o.view);
    const wrong = await this.#wrongAmong(doubted, need.missing);
    const missing = [...new Set([...need.missing, ...wrong])];
    const misplaced = need.misplaced.filter((index) => !wrong.includes(index));
    if (missing.length + misplaced.length === 0) return 'fine';
    if (locations.length - missing.length < dataShards) return 'unreadable';
    const isMade = missing.length === 0 || (await this.#make(missing, new Set(wrong)));
    const isAllMoved = await this.#moveAll(misplaced);
    if (!isMade) return 'unreadable';
    return missing.every((index) => this.#written.has(index)) && isAllMoved ? 'mended' : 'partly';
  }

  relocate(index: number, avoid: ReadonlySet<number>): Promise<boolean> {
    this.#targets.avoid(avoid);
    return this.#moveTo(index);
  }

  /** Which shards that somebody found missing or wrong are so, on a backend that answers. */
  async #wrongAmong(
    doubted: ReadonlySet<number>,
    missing: readonly number[],
  ): Promise<readonly number[]> {
    const looks = [...doubted].map(async (index) => {
      const backend = this.#o.backends.byNo(this.#record.locations[index] ?? nowhere);
      if (backend === undefined || missing.includes(index)) return [];
      try {
        return (await this.#read(index, backend)) === undefined ? [index] : [];
      } catch (error) {
        // A value that it cannot read is damaged there; whoever does not answer is judged by that.
        if (isGridError(error, 'ZSTOR_BACKEND_REFUSED')) return [index];
        if (!isGridError(error) || this.#signal.aborted) throw error;
        return [];
      }
    });
    return (await Promise.all(looks)).flat();
  }

  /** The right value of an index; undefined when the backend has none, or another one. */
  async #read(index: number, backend: Backend): Promise<Buffer | undefined> {
    await this.#spend(this.#valueBytes);
    const value = await backend.get(this.#keyOf(index), this.#valueBytes, this.#signal);
    if (value === undefined) return undefined;
    try {
      parseShardOf(value, this.#addressOf(index));
      return value;
    } catch (error) {
      if (!isGridError(error)) throw error;
      return undefined;
    }
  }

  /** @returns false when there are too few to make them of */
  async #make(missing: readonly number[], inPlace: ReadonlySet<number>): Promise<boolean> {
    const { dataShards, locations } = this.#record;
    const { budget } = this.#o;
    const before = new Map(missing.map((index) => [index, locations[index] ?? nowhere]));
    const neededBytes = (2 * dataShards + missing.length) * this.#valueBytes;
    // What is to be read and written waits for its rate here, while it has no memory that streams want.
    await this.#o.rate.take((dataShards + missing.length) * this.#valueBytes, this.#signal);
    const loan = await budget.take(neededBytes, this.#signal);
    try {
      const made = await this.#madeOf(missing);
      if (made === undefined) return false;
      for (const index of missing) this.#targets.set(index, nowhere);
      // A value that is wrong is written over; who lost it answers, so it is as good as others.
      for (const index of inPlace) {
        const backend = this.#o.backends.byNo(before.get(index) ?? nowhere);
        if (backend?.isWritable === true) this.#targets.set(index, backend.no);
      }
      await Promise.all([...made.values].map(([index, value]) => this.#write(index, value)));
      if (made.memory !== undefined) sharedPool().give(made.memory);
      // What found no place keeps the one that it had, which may be back one day.
      for (const index of missing) {
        if (!this.#written.has(index)) this.#targets.set(index, before.get(index) ?? nowhere);
      }
      return true;
    } finally {
      loan.release();
    }
  }

  /** Writes a value where it should be, or elsewhere when that fails. Its rate was waited for once. */
  async #write(index: number, value: Uint8Array): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const chosen = this.#o.backends.byNo(this.locations[index] ?? nowhere);
      const backend = chosen ?? this.#targets.choose(index, true);
      if (backend === undefined) return;
      try {
        this.bytes += value.length;
        if (attempt > 1) this.#o.rate.goAtOnce(value.length);
        await backend.put(this.#keyOf(index), value);
        this.#written.add(index);
        return;
      } catch (error) {
        if (!isGridError(error) || this.#signal.aborted) throw error;
        this.#targets.fail(index, backend.no);
      }
    }
  }

  /** The rate of the first attempt was waited for. */
  async #madeOf(
    missing: readonly number[],
  ): Promise<{ values: Values; memory?: Buffer<ArrayBuffer> } | undefined> {
    const record = {
      ...this.#record,
      locations: this.#record.locations.map((no, at) => (missing.includes(at) ? nowhere : no)),
    };
    const { backends, clock, onFault } = this.#o;
    const fetch = new ShardFetch({ backends, record, signal: this.#signal, clock, onFault });
    try {
      for (let attempt = 1; ; attempt++) {
        const readBytes = record.dataShards * this.#valueBytes;
        this.bytes += readBytes;
        if (attempt > 1) this.#o.rate.goAtOnce(readBytes);
        const answers = await fetch.enough();
        try {
          return await this.#madeFrom(answers, missing);
        } catch (error) {
          if (!isAboutShard(error) || !fetch.dropWrong()) throw error;
        }
      }
    } catch (error) {
      if (!isGridError(error, 'ZSTOR_SHARDS_TOO_FEW')) throw error;
      return undefined;
    } finally {
      await fetch.close();
    }
  }

  async #madeFrom(
    answers: readonly ShardAnswer[],
    missing: readonly number[],
  ): Promise<{ values: Values; memory?: Buffer<ArrayBuffer> }> {
    if (this.#record.kind === 'copied') {
      const [answer] = answers;
      if (answer === undefined) return { values: new Map() };
      parseShardOf(answer.value, answer.address);
      return { values: new Map(missing.map((index) => [index, answer.value])) };
    }
    const { values, memory } = await this.#o.threads.repair(answers, missing);
    for (const { value } of answers) giveValue(value);
    const made = missing.flatMap((index, at): [number, Uint8Array][] => {
      const value = values[at];
      return value !== undefined && this.#isRight(index, value) ? [[index, value]] : [];
    });
    return { values: new Map(made), memory };
  }

  /** What is made of right shards is right, unless the record itself is not. */
  #isRight(index: number, value: Uint8Array): boolean {
    const expected = this.#record.digests[index];
    const hash = digestOf({ value });
    if (expected === undefined || Buffer.compare(expected, hash) === 0) return true;
    const chunkId = Buffer.from(this.#record.id).toString('hex');
    this.#o.logger.error({ chunkId, index }, 'shards that are right make one that is not');
    return false;
  }

  /** @returns false when some stay where they are, for want of another place */
  async #moveAll(misplaced: readonly number[]): Promise<boolean> {
    let isAll = true;
    // One after the other: where one goes to is taken for the next.
    for (const index of misplaced) isAll = (await this.#move(index)) && isAll;
    return isAll;
  }

  async #move(index: number): Promise<boolean> {
    const node = this.#targets.nodeOf(index);
    const isDraining = this.#o.view.classOf(this.locations[index] ?? nowhere) === 'draining';
    // Of several on one node any may go.
    const others = this.locations.flatMap((_, at) => {
      return at !== index && this.#targets.nodeOf(at) === node ? [at] : [];
    });
    const some = isDraining ? [index] : [index, ...others];
    for (const at of some) if (await this.#moveTo(at)) return true;
    return this.#moveOnByOne(some);
  }

  /** Has other shards make room, where what is free is closed to these because they were given up there. */
  async #moveOnByOne(some: readonly number[]): Promise<boolean> {
    const isThere = (index: number): boolean => {
      const kind = this.#o.view.classOf(this.locations[index] ?? nowhere);
      return kind === 'good' || kind === 'draining';
    };
    const steps = this.#targets.roomFor(some, isThere);
    for (const { index, to } of steps) {
      const [source, target] = [this.locations[index] ?? nowhere, to].map((no) => {
        return this.#o.backends.byNo(no);
      });
      if (source === undefined || target === undefined) return false;
      this.#targets.set(index, to);
      if (!(await this.#copy(index, source, target))) return false;
    }
    return steps.length > 0;
  }

  async #moveTo(index: number): Promise<boolean> {
    const from = this.locations[index] ?? nowhere;
    const source = this.#o.backends.byNo(from);
    // What cannot be read is not moved: a target that is chosen counts as its place.
    if (source === undefined) return false;
    const target = this.#targets.choose(index, false);
    return target !== undefined && this.#copy(index, source, target);
  }

  /** Of a shard whose target counts as its place already, which it is no more when this fails. */
  async #copy(index: number, source: Backend, target: Backend): Promise<boolean> {
    try {
      const value = await this.#read(index, source);
      if (value !== undefined) {
        await this.#spend(value.length);
        await target.put(this.#keyOf(index), value);
        giveValue(value);
        this.#written.add(index);
        return true;
      }
      const { id } = this.#record;
      this.#o.onFault({ chunkId: id, index, backendNo: source.no, kind: 'wrong' });
    } catch (error) {
      if (!isGridError(error) || this.#signal.aborted) throw error;
    }
    this.#targets.set(index, source.no);
    return false;
  }

  async #spend(bytes: number): Promise<void> {
    this.bytes += bytes;
    await this.#o.moveRate.take(bytes, this.#signal);
  }

  #keyOf(index: number): Buffer {
    const { id, kind } = this.#record;
    return kind === 'copied' ? copyKey(id) : shardKey(id, index);
  }

  #addressOf(index: number): ShardAddress {
    const { id, kind, digests } = this.#record;
    const at = kind === 'copied' ? 0 : index;
    const digest = digests[at];
    return digest === undefined ? { chunkId: id, index: at } : { chunkId: id, index: at, digest };
  }
}

/** Small objects were perhaps written to fewer nodes than they should be on. */
function padded(record: ChunkRecord): ChunkRecord {
  const { kind, locations, parityShards } = record;
  if (kind === 'coded') return record;
  const lacking = Math.max(0, parityShards + 1 - locations.length);
  return { ...record, locations: [...locations, ...Array<number>(lacking).fill(nowhere)] };
}

function isAboutShard(error: unknown): boolean {
  return (
    isGridError(error, 'ZSTOR_SHARD_CORRUPT') ||
    isGridError(error, 'ZSTOR_SHARD_FOREIGN') ||
    isGridError(error, 'ZSTOR_SHARD_UNKNOWN')
  );
}
