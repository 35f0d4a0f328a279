import { abortError, GridError, isGridError, systemClock } from '@commongrid/base';
import type { Clock, Timer } from '@commongrid/base';
import { copyKey, shardKey } from '../backends/backend.ts';
import type { Backend } from '../backends/backend.ts';
import { parseShardOf } from '../chunk/shard.ts';
import type { ZstorErrorCode } from '../errors.ts';
import type { ShardAnswer } from '../threads/coding-threads.ts';
import { valueBytesOfRecord } from './chunk-record.ts';
import type { ChunkRecord } from './chunk-record.ts';
import type { Backends } from './shard-spread.ts';

/** A shard that has not come is asked for elsewhere after this at least, */
const hedgeMsMin = 10;
/** and after this at most, however long reads take. */
const hedgeMsMax = 1_000;
/** It is so many times the usual p95: of k shards that are asked for, one mostly takes that long. */
const hedgeFactor = 2;
/** The same while nothing is known of the backends. */
const firstHedgeMs = 200;
/** A backend is avoided that takes so many times as long as most others, and this long at least. */
const slowFactor = 4;
const slowMsMin = 20;

/** Why others are not waited for: a reason that is made for each would have its stack taken. */
const enough = 'enough shards came';

/** A shard that is not as it should be: to be made again. */
export interface ShardFault {
  readonly chunkId: Uint8Array;
  readonly index: number;
  readonly backendNo: number;
  readonly kind: 'missing' | 'wrong';
}

export interface ShardFetchOptions {
  readonly backends: Backends;
  readonly record: ChunkRecord;
  readonly signal: AbortSignal;
  /** Indexes of data shards that suffice, as long as nothing has to be computed. Default: any k. */
  readonly wanted?: readonly number[] | undefined;
  readonly onFault?: ((fault: ShardFault) => void) | undefined;
  readonly clock?: Clock | undefined;
}

interface Source {
  /** Place in `locations`. */
  readonly index: number;
  readonly backend: Backend;
}

/**
 * Gets k shards of a chunk: data shards of healthy backends first, so that nothing is computed, then
 * what else there is. One that fails is asked for elsewhere at once; when some have not come in the
 * time that nearly all take, as many others are asked for.
 */
export class ShardFetch {
  readonly #options: ShardFetchOptions;
  readonly #left: Source[];
  readonly #answers = new Map<number, ShardAnswer>();
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #hedgeMs: number;
  #needed: number;
  #wake = Promise.withResolvers<void>();

  constructor(options: ShardFetchOptions) {
    this.#options = options;
    const { wanted, record } = options;
    this.#left = sourcesOf(record, options.backends, wanted);
    const canBeHad = wanted?.every((index, at) => {
      const source = this.#left[at];
      return source?.index === index && source.backend.state === 'healthy';
    });
    this.#needed = wanted !== undefined && canBeHad === true ? wanted.length : record.dataShards;
    this.#hedgeMs = hedgeMsOf(this.#left.slice(0, this.#needed));
  }

  /**
   * k answers that look right, or those of all wanted shards, in order of their index; they are not
   * checked yet.
   * @throws ZSTOR_SHARDS_TOO_FEW, BASE_ABORTED
   */
  async enough(): Promise<readonly ShardAnswer[]> {
    const { signal, clock = systemClock } = this.#options;
    const onAbort = (): void => {
      this.#stop.abort(signal.reason);
      this.#wake.resolve();
    };
    signal.addEventListener('abort', onAbort);
    let timer: Timer | undefined;
    const arm = (ms: number): void => {
      timer = clock.setTimer(ms, () => {
        this.#wantAny();
        this.#ask(this.#needed - this.#answers.size);
        if (this.#left.length > 0) arm(ms * 2);
      });
    };
    arm(this.#hedgeMs);
    try {
      for (;;) {
        if (signal.aborted) throw abortError(signal);
        const found = this.#found();
        if (found !== undefined) return found;
        this.#ask(this.#needed - this.#answers.size - this.#running.size);
        if (this.#running.size === 0) throw this.#tooFew();
        await this.#wake.promise;
        this.#wake = Promise.withResolvers<void>();
      }
    } finally {
      timer?.cancel();
      signal.removeEventListener('abort', onAbort);
    }
  }

  /**
   * Looks which answers are wrong, and drops them: others will be asked for.
   * @returns false when all are as they were written
   */
  dropWrong(): boolean {
    const wrong = [...this.#answers].filter(([, answer]) => !this.#isRight(answer));
    for (const [index] of wrong) {
      this.#answers.delete(index);
      this.#fault(index, 'wrong');
    }
    if (wrong.length > 0) this.#wantAny();
    return wrong.length > 0;
  }

  /** Ends the waiting for what is not needed any more. */
  async close(): Promise<void> {
    if (this.#running.size === 0) return;
    this.#stop.abort(enough);
    await Promise.all(this.#running);
  }

  /** Those of data shards before others: with them nothing has to be computed. */
  #found(): ShardAnswer[] | undefined {
    const { wanted, record } = this.#options;
    const those = wanted?.flatMap((index) => this.#answers.get(index) ?? []);
    if (those !== undefined && those.length === wanted?.length) return those;
    if (this.#answers.size < record.dataShards) return undefined;
    const sorted = [...this.#answers].toSorted(([a], [b]) => a - b);
    return sorted.slice(0, record.dataShards).map(([, answer]) => answer);
  }

  /** One of the wanted shards does not come: any k will do. */
  #wantAny(): void {
    this.#needed = this.#options.record.dataShards;
  }

  #ask(count: number): void {
    for (const source of this.#left.splice(0, Math.max(0, count))) {
      const running = this.#get(source).finally(() => {
        this.#running.delete(running);
        this.#wake.resolve();
      });
      this.#running.add(running);
    }
  }

  async #get({ index, backend }: Source): Promise<void> {
    const { record } = this.#options;
    const isCopied = record.kind === 'copied';
    const key = isCopied ? copyKey(record.id) : shardKey(record.id, index);
    const valueBytes = valueBytesOfRecord(record);
    try {
      const value = await backend.get(key, valueBytes, this.#stop.signal);
      if (value?.length !== valueBytes) {
        this.#wantAny();
        this.#fault(index, value === undefined ? 'missing' : 'wrong');
        return;
      }
      const digest = record.digests[isCopied ? 0 : index];
      const address = { chunkId: record.id, index: isCopied ? 0 : index };
      const known = digest === undefined ? address : { ...address, digest };
      this.#answers.set(index, { address: known, value });
    } catch (error) {
      // It is known of the backend already; whoever is given up says nothing.
      if (!isGridError(error)) throw error;
      this.#wantAny();
    }
  }

  #isRight({ value, address }: ShardAnswer): boolean {
    const { dataShards, parityShards, bodyBytes } = this.#options.record;
    try {
      const shard = parseShardOf(value, address);
      return (
        shard.dataShards === dataShards &&
        shard.parityShards === parityShards &&
        shard.bodyBytes === bodyBytes
      );
    } catch (error) {
      if (!isGridError(error)) throw error;
      return false;
    }
  }

  #fault(index: number, kind: ShardFault['kind']): void {
    const { record, onFault } = this.#options;
    const backendNo = record.locations[index] ?? 0;
    onFault?.({ chunkId: record.id, index, backendNo, kind });
  }

  #tooFew(): GridError<ZstorErrorCode> {
    const count = this.#answers.size;
    const chunkId = Buffer.from(this.#options.record.id).toString('hex');
    return new GridError(
      'ZSTOR_SHARDS_TOO_FEW',
      `${count} of the ${this.#needed} shards that chunk ${chunkId} needs can be read`,
      {
        hint: 'bring a backend back that holds another shard of this chunk',
        retryable: true,
        details: { chunkId, count, needed: this.#needed },
      },
    );
  }
}

/** Where shards are, the best first. Those that did not answer are the last resort. */
function sourcesOf(
  { kind, locations, dataShards }: ChunkRecord,
  backends: Backends,
  wanted: readonly number[] = [],
): Source[] {
  const sources = locations.flatMap((no, index) => {
    const backend = backends.byNo(no);
    return backend === undefined ? [] : { index, backend };
  });
  const known = sources.map(({ backend }) => backend.readMs.p50).filter((ms) => ms > 0);
  const usualMs = medianOf(known);
  const rank = ({ index, backend }: Source): number => {
    const isSlow = backend.readMs.p50 > Math.max(slowMsMin, slowFactor * usualMs);
    const isParity = kind === 'coded' && index >= dataShards;
    const answers = { healthy: 0, suspect: 4, lost: 8 }[backend.state];
    return answers + (isSlow ? 2 : 0) + (isParity ? 1 : 0);
  };
  const isOther = ({ index }: Source): number => Number(!wanted.includes(index));
  // Copies are all the same: the nearest.
  const nearer = (a: Source, b: Source): number =>
    kind === 'copied' ? a.backend.readMs.p50 - b.backend.readMs.p50 : 0;
  return sources.toSorted(
    (a, b) =>
      isOther(a) - isOther(b) || byIndexIn(wanted, a, b) || rank(a) - rank(b) || nearer(a, b),
  );
}

/** Wanted ones in the order in which they are wanted. */
function byIndexIn(wanted: readonly number[], a: Source, b: Source): number {
  return wanted.indexOf(a.index) - wanted.indexOf(b.index);
}

function hedgeMsOf(sources: readonly Source[]): number {
  const known = sources.map(({ backend }) => backend.readMs.p95).filter((ms) => ms > 0);
  if (known.length === 0) return firstHedgeMs;
  return Math.min(hedgeMsMax, Math.max(hedgeMsMin, hedgeFactor * medianOf(known)));
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
