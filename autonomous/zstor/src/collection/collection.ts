import {
  closeOnce,
  isGridError,
  Mutex,
  repeat,
  silentLogger,
  systemClock,
  TaskGroup,
} from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { Backend } from '../backends/backend.ts';
import { ByteBudget } from '../care/byte-budget.ts';
import type { ZstorErrorCode } from '../errors.ts';
import { Packer } from '../packing/packer.ts';
import type { PackingParts, PackOptions } from '../packing/packer.ts';
import { Collector } from './collector.ts';
import type { CollectOptions } from './collector.ts';
import { Orphans } from './orphans.ts';
import type { Swept } from './orphans.ts';

/** Bytes of small objects that are packed, or packed again, in a second. */
const packedBytesPerSecond = 64 * 2 ** 20;
/** Keys that are deleted, or looked at for orphans, in a second. */
const keysPerSecond = 20_000;
/** How often is looked what there is to pack and to collect. */
const lookEveryMs = 1_000;
/** A backend is looked through for orphans so long after this head began to serve, it came back or has no room left, */
const sweepAfterMs = 60_000;
/** and this often. */
const sweepEveryMs = 24 * 60 * 60 * 1000;

export type CollectionOptions = Omit<PackingParts, 'keyBudget' | 'byteBudget'>;

/**
 * What a head does in the background to keep its backends tidy: small objects are packed, what is dead
 * is deleted, and what nothing needs. One step at a time; none while this head does not serve.
 */
export class Collection implements AsyncDisposable {
  readonly packer: Packer;
  readonly collector: Collector;
  readonly orphans: Orphans;
  readonly #o: CollectionOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** Each work is done once at a time; different ones leave each other alone by what is in the tables. */
  readonly #turns = { pack: new Mutex(), collect: new Mutex(), sweep: new Mutex() };
  readonly #tasks: TaskGroup;
  /** When each backend is looked through next; undefined while it does not answer. */
  readonly #sweepMs = new Map<number, number | undefined>();
  readonly close: () => Promise<void>;

  /** Use `open`. */
  constructor(options: CollectionOptions) {
    const { clock = systemClock, logger = silentLogger } = options;
    const parts = {
      ...options,
      keyBudget: new ByteBudget(keysPerSecond, clock),
      byteBudget: new ByteBudget(packedBytesPerSecond, clock),
    };
    this.#o = options;
    this.#clock = clock;
    this.#logger = logger;
    this.packer = new Packer(parts);
    this.collector = new Collector(parts);
    this.orphans = new Orphans(parts);
    const onError = (err: unknown, name: string): void => logger.error({ err, name }, 'collection');
    this.#tasks = new TaskGroup({ onError });
    this.close = closeOnce(() => this.#tasks.close());
  }

  /** Begins at once, and goes on until it is closed. */
  static open(options: CollectionOptions): Collection {
    const collection = new Collection(options);
    collection.#start();
    return collection;
  }

  /**
   * Packs all small objects, deletes all that is dead, and goes through the keys of all backends that
   * answer. For whoever wants it now: in the background it comes by itself.
   * @throws ZSTOR_CATALOG_NOT_SERVING, ZSTOR_CATALOG_RESULT_UNKNOWN, BASE_ABORTED
   */
  async runNow(signal?: AbortSignal): Promise<{ packed: number; collected: number } & Swept> {
    const options = { isAtOnce: true, signal };
    const packed = await this.#turns.pack.run(() => this.#pack(options));
    const collected = await this.collectNow(signal);
    const swept = { orphans: 0, strays: 0 };
    for (const backend of this.#o.backends.all) {
      if (backend.state !== 'healthy') continue;
      const { orphans, strays } = await this.#turns.sweep.run(() => this.#sweep(backend, signal));
      swept.orphans += orphans;
      swept.strays += strays;
    }
    return { packed, collected, ...swept };
  }

  /**
   * Deletes all that is dead, without the time that readers are given in the background: for a head that
   * ends before that. What is pinned stays. Throws as `runNow`.
   */
  async collectNow(signal?: AbortSignal): Promise<number> {
    return this.#turns.collect.run(() => this.#collect({ isAtOnce: true, signal }));
  }

  /** A backend has a shard that was moved away: in a minute, when others may have followed, it goes. */
  leftBehind(backendNo: number): void {
    this.#sweepSoon(backendNo);
  }

  #sweepSoon(backendNo: number): void {
    const dueMs = this.#clock.monotonicMs() + sweepAfterMs;
    const plannedMs = this.#sweepMs.get(backendNo);
    // While it does not answer nothing is planned; it is looked through when it is back.
    if (plannedMs !== undefined) this.#sweepMs.set(backendNo, Math.min(plannedMs, dueMs));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #start(): void {
    this.#repeat('pack', (signal) => this.#pack({ signal }));
    this.#repeat('collect', (signal) => this.#collect({ signal }));
    this.#repeat('sweep', (signal) => this.#sweepDue(signal));
  }

  #repeat(
    name: 'pack' | 'collect' | 'sweep',
    work: (signal: AbortSignal) => Promise<unknown>,
  ): void {
    const run = async (signal: AbortSignal): Promise<void> => {
      if (this.#o.tables.isServing) await this.#turns[name].run(() => work(signal), { signal });
      else this.#sweepMs.clear();
    };
    const onError = (err: unknown): void => this.#logger.warn({ err, name }, 'collection');
    this.#tasks.start(name, (signal) =>
      repeat(lookEveryMs, run, { signal, clock: this.#clock, onError }),
    );
  }

  async #pack(options: PackOptions): Promise<number> {
    const count = await this.packer.pack(options);
    await this.packer.repack(options);
    return count;
  }

  async #collect(options: CollectOptions): Promise<number> {
    let count = 0;
    for (;;) {
      const gone = await this.collector.collect(options);
      count += gone;
      // A pack is dead when the last object in it was collected.
      if (gone === 0) return count;
    }
  }

  /** Looks through one backend, if it is the turn of any. */
  async #sweepDue(signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    for (const { no, state, freeBytes } of this.#o.backends.all) {
      if (state !== 'healthy') this.#sweepMs.set(no, undefined);
      else if (this.#sweepMs.get(no) === undefined) this.#sweepMs.set(no, nowMs + sweepAfterMs);
      // It may be full of what uploads left that came to nothing.
      else if (freeBytes === 0) this.#sweepSoon(no);
    }
    const due = this.#o.backends.all.find(({ no }) => (this.#sweepMs.get(no) ?? Infinity) <= nowMs);
    if (due === undefined) return;
    this.#sweepMs.set(due.no, nowMs + sweepEveryMs);
    await this.#sweep(due, signal);
  }

  async #sweep(backend: Backend, signal: AbortSignal | undefined): Promise<Swept> {
    try {
      return await this.orphans.sweep(backend, signal);
    } catch (err) {
      if (!isAboutBackend(err)) throw err;
      this.#logger.debug({ err, no: backend.no }, 'a backend could not be looked through');
      this.#sweepMs.set(backend.no, undefined);
      return { orphans: 0, strays: 0 };
    }
  }
}

function isAboutBackend(error: unknown): boolean {
  return (
    isGridError<ZstorErrorCode>(error, 'ZSTOR_BACKEND_FAILED') ||
    isGridError<ZstorErrorCode>(error, 'ZSTOR_BACKEND_REFUSED') ||
    isGridError<ZstorErrorCode>(error, 'ZSTOR_BACKEND_BUSY')
  );
}
