import { GridError, isGridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { Backend } from '../backends/backend.ts';
import type { ZstorErrorCode } from '../errors.ts';
import { replaceShard } from '../placement/place-shards.ts';
import type { Placement } from '../placement/place-shards.ts';
import { lossesSurvived, survives } from '../placement/placement-rules.ts';
import type { Candidate, PlacementRules } from '../placement/placement-rules.ts';
import { nowhere } from './chunk-record.ts';

/** What writers and readers need of a BackendPool. */
export interface Backends {
  readonly all: readonly Backend[];
  byNo(no: number): Backend | undefined;
}

/** Backends that can take shards now. */
export function candidatesOf(backends: Backends): Candidate[] {
  return backends.all.filter(({ isWritable }) => isWritable);
}

export interface SpreadOptions {
  readonly backends: Backends;
  readonly chunkId: Uint8Array;
  /** k + m shards, or m + 1 copies with k = 1. */
  readonly rules: PlacementRules;
  readonly placement: Placement;
  /** Copies of a small object are all written before anything is said; shards of a chunk not. */
  readonly kind: 'coded' | 'copied';
  readonly keyOf: (index: number) => Uint8Array;
  readonly valueOf: (index: number) => Uint8Array;
  readonly clock?: Clock;
}

/**
 * The values of one chunk on their way to backends. Each has a backend at once, and another one when
 * that fails, until none is left.
 */
export class ShardSpread {
  /**
   * Resolves when enough are on disk that any ceil(m / 2) nodes may be lost, or any one where there
   * are fewer nodes than shards. Rejects with ZSTOR_BACKENDS_TOO_FEW when it will not come to that.
   */
  readonly survivable: Promise<void>;
  /** Resolves when nothing is on its way any more, and no value is read. */
  readonly ended: Promise<void>;
  readonly #options: SpreadOptions;
  readonly #targets: (Candidate | undefined)[];
  readonly #stored: (Candidate | undefined)[];
  readonly #failed = new Set<number>();
  readonly #clock: Clock;
  readonly #startedMs: number;
  #survivableMs = Infinity;

  constructor(options: SpreadOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#startedMs = this.#clock.monotonicMs();
    this.#targets = [...options.placement.backends];
    this.#stored = this.#targets.map(() => undefined);
    const survivable = Promise.withResolvers<void>();
    const writes = this.#targets.map(async (_, index) => {
      await this.#write(index);
      if (!this.#survives()) return;
      this.#survivableMs = Math.min(this.#survivableMs, this.#clock.monotonicMs());
      survivable.resolve();
    });
    this.survivable = survivable.promise;
    this.ended = this.#end(writes, survivable.reject);
    // Whoever gave the blob up does not wait for it.
    this.survivable.catch(() => {});
  }

  /** Number of the backend that has each value on disk now; 0 where none has. */
  get locations(): number[] {
    return this.#stored.map((backend) => backend?.no ?? nowhere);
  }

  /**
   * Once enough are on disk, waits for the rest half as long as that took, 50 ms at most: a record of
   * where everything is costs as much as the one that would add a place to it later.
   */
  async settle(): Promise<void> {
    const readyMs = this.#survivableMs + settleMs(this.#survivableMs - this.#startedMs);
    const leftMs = readyMs - this.#clock.monotonicMs();
    if (!(leftMs > 0 && leftMs <= settleMsMax)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.setTimer(leftMs, resolve);
    await Promise.race([this.ended, promise]);
    timer.cancel();
  }

  async #end(writes: readonly Promise<void>[], fail: (error: unknown) => void): Promise<void> {
    const results = await Promise.allSettled(writes);
    const fault = results.find((result) => result.status === 'rejected');
    fail(fault === undefined ? this.#tooFew() : fault.reason);
  }

  async #write(index: number): Promise<void> {
    const { backends, keyOf, valueOf } = this.#options;
    for (;;) {
      const target = this.#targets[index];
      if (target === undefined) return;
      try {
        const backend = backends.byNo(target.no);
        if (backend === undefined) throw gone(target.no);
        await backend.put(keyOf(index), valueOf(index));
        this.#stored[index] = target;
        return;
      } catch (error) {
        if (!isGridError(error)) throw error;
        this.#failed.add(target.no);
        this.#targets[index] = this.#another(index);
      }
    }
  }

  #another(index: number): Candidate | undefined {
    const { backends, chunkId, rules, kind } = this.#options;
    const others = this.#targets.flatMap((target, at) =>
      at === index || target === undefined ? [] : target,
    );
    const found = replaceShard(chunkId, candidatesOf(backends), rules, others, this.#failed);
    // A second copy on one node is worth nothing.
    const node = found?.backend.place.node;
    const isTaken = others.some(({ place }) => place.node === node);
    return kind === 'copied' && isTaken ? undefined : found?.backend;
  }

  #survives(): boolean {
    const { dataShards, parityShards } = this.#options.rules;
    const nodesOf = (all: readonly (Candidate | undefined)[]): string[] =>
      all.flatMap((backend) => backend?.place.node ?? []);
    const stored = nodesOf(this.#stored);
    // Doubled shards on fewer than k nodes could survive one loss, but hardly another.
    if (new Set(stored).size < dataShards) return false;
    const isDegraded = new Set(nodesOf(this.#targets)).size < dataShards + parityShards;
    const isCopied = this.#options.kind === 'copied' && !isDegraded;
    const losses = isCopied ? parityShards : lossesSurvived(parityShards, isDegraded);
    return survives(stored, dataShards, losses);
  }

  #tooFew(): GridError<ZstorErrorCode> {
    const stored = this.locations.filter((no) => no !== nowhere).length;
    const wanted = this.#targets.length;
    return new GridError(
      'ZSTOR_BACKENDS_TOO_FEW',
      `${stored} of ${wanted} shards could be written, too few to survive the loss of a node`,
      {
        hint: 'bring backends back, or add some to the backends file',
        retryable: true,
        details: { stored, wanted, failed: [...this.#failed] },
      },
    );
  }
}

/** Longest wait for what is late. */
const settleMsMax = 50;

function settleMs(tookMs: number): number {
  return Math.min(settleMsMax, tookMs / 2);
}

function gone(no: number): GridError<ZstorErrorCode> {
  return new GridError(
    'ZSTOR_BACKEND_FAILED',
    `backend ${no} is not in the backends file any more`,
  );
}
