import { join } from 'node:path';
import {
  closeOnce,
  delay,
  isGridError,
  repeat,
  silentLogger,
  systemClock,
  systemRandom,
  TaskGroup,
} from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import { nowhere } from '../blob/chunk-record.ts';
import type { ShardFault } from '../blob/shard-fetch.ts';
import { drainBackend, listBackends } from '../stor/backend-tables.ts';
import type { BackendRow } from '../stor/backend-tables.ts';
import { keyHolders } from '../stor/key-tables.ts';
import { BackendView } from './backend-view.ts';
import { ByteBudget } from './byte-budget.ts';
import type { CareOptions, RepairOptions } from './care-options.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { BackendStatus, CareStatus } from './care-status.ts';
import { ChunkMender } from './chunk-mender.ts';
import { needOf } from './chunk-need.ts';
import type { ChunkNeed, PlaceView } from './chunk-need.ts';
import { chunksWithMissing, mendedChunks } from './chunk-walk.ts';
import type { WalkedChunk } from './chunk-walk.ts';
import { Rebalance } from './rebalance.ts';
import { Repairer } from './repairer.ts';
import { Scrubbing } from './scrubbing.ts';
import { ShardAudit } from './shard-audit.ts';
import type { AuditCounts } from './shard-audit.ts';
import { SnapshotCare } from './snapshot-care.ts';
import { takeStock } from './stock-taking.ts';
import { Surveys } from './surveys.ts';

/** Read and written in a second to make again what is lost, by one head: until then the next loss is nearer. */
const repairBytesPerSecond = 192 * 2 ** 20;
/** The same to drain and to spread, which nothing waits for. */
const moveBytesPerSecond = 64 * 2 ** 20;
/** The same to fill backends evenly. */
const rebalanceBytesPerSecond = 16 * 2 ** 20;
/** How often is looked whether they are. */
const rebalanceEveryMs = 3_600_000;
/** How often the keys of all backends are compared with the records, */
const stockEveryMs = 24 * 3_600_000;
/** and when for the first time: many heads do not last so long. */
const firstStockMs = 10 * 60_000;
/** How often is looked at the backends. */
const lookEveryMs = 500;
/** How often is looked for chunks that were written with shards missing. */
const missingEveryMs = 2_000;
/** Chunks with missing shards that are taken up at a time. */
const missingMax = 1_000;
/** A shard that is nowhere for so long is not on its way any more. */
const settledAfterMs = 60_000;
interface SeenMissing {
  readonly sinceMs: number;
  isTaken: boolean;
}

/**
 * Keeps all chunks at k + m shards, where they should be, without being asked: it compares records with
 * backends whenever those change, and mends what lacks, the worst first. It does nothing while
 * another head serves.
 */
export class Care implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #o: CareOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #tasks: TaskGroup;
  readonly #view: BackendView;
  readonly #repairer: Repairer;
  readonly #scrubbing: Scrubbing;
  readonly #rebalance: Rebalance;
  readonly #surveys: Surveys;
  readonly #snapshots: SnapshotCare;
  readonly #takeStock: (signal: AbortSignal) => Promise<number>;
  readonly #probedMs = new Map<number, number>();
  readonly #watching: Disposable;
  #rows: readonly BackendRow[] = [];
  #nodes = new Map<number, string>();
  #writableNodes: ReadonlySet<string> = new Set();
  #signature = '';
  /** Chunks with shards that are nowhere. */
  #seenMissing: ReadonlyMap<string, SeenMissing> = new Map();
  #nextMissingMs = 0;
  /** Repairs that wait for nobody. */
  #hurried = 0;

  constructor(options: CareOptions) {
    const { clock = systemClock, logger = silentLogger, times = {} } = options;
    this.#o = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#view = new BackendView(times);
    const { backends, threads, budget, limits, catalog } = options;
    const rate = new ByteBudget(times.repairBytesPerSecond ?? repairBytesPerSecond, clock);
    const onFault = (fault: ShardFault): void => this.fault(fault);
    const chunks = mendedChunks(catalog, options.onLeft);
    const common = { backends, threads, budget, limits, onFault, clock, logger, chunks };
    const view = this.#placeView();
    const moveRate = new ByteBudget(moveBytesPerSecond, clock);
    const mender = new ChunkMender({ ...common, view, rate, moveRate });
    const spareTime = new ByteBudget(rebalanceBytesPerSecond, clock);
    this.#rebalance = new Rebalance({
      ...{ tables: catalog, backends, logger },
      mender: new ChunkMender({ ...common, view, rate: spareTime, moveRate: spareTime }),
      isCalm: () => catalog.isServing && this.#repairer.pending === 0,
    });
    this.#repairer = new Repairer({
      ...{ mender, clock, logger },
      isServing: () => catalog.isServing,
      onMended: ({ chunkId }, { isMoved }) => {
        if (isMoved) this.#snapshots.moved(chunkId);
      },
    });
    this.#surveys = new Surveys({
      ...{ tables: catalog, clock },
      isReady: () => catalog.isServing && this.#signature !== '',
      takeUp: (chunk) => this.#takeUp(chunk),
    });
    const { snapshotChunks, snapshotRecords } = options;
    const everyMs = times.snapshotEveryMs;
    this.#snapshots = new SnapshotCare({
      ...{ catalog, snapshotChunks, snapshotRecords, everyMs, clock },
    });
    const path = join(options.folder, 'stock.db');
    this.#takeStock = (signal) =>
      takeStock({ tables: catalog, chunks, backends, path, onFault }, signal);
    this.#scrubbing = new Scrubbing({
      ...{ catalog, times, clock, logger },
      audit: new ShardAudit({ backends, chunks, onFault, random: systemRandom }),
      storedBytes: () => this.#surveys.latest.bytes,
    });
    this.#tasks = new TaskGroup({ onError: (err, name) => logger.error({ err, name }, 'care') });
    this.#watching = backends.watch(() => this.#lookAtOnce());
    this.close = closeOnce(async () => {
      this.#watching[Symbol.dispose]();
      await this.#tasks.close();
      await this.#repairer.close();
    });
  }

  /** Begins. */
  static open(options: CareOptions): Care {
    const care = new Care(options);
    const onError = (err: unknown): void => care.#logger.warn({ err }, 'care failed');
    const { clock } = care.#o;
    const common = clock === undefined ? { onError } : { onError, clock };
    care.#tasks.start('look', (signal) =>
      repeat(lookEveryMs, () => care.#look(), { ...common, signal }),
    );
    care.#tasks.start('survey', (signal) =>
      repeat(lookEveryMs, () => care.#survey(signal), { ...common, signal }),
    );
    care.#tasks.start('snapshot', (signal) =>
      repeat(lookEveryMs, () => care.#snapshotWhenCalm(), { ...common, signal }),
    );
    const everyMs = care.#o.times?.rebalanceEveryMs ?? rebalanceEveryMs;
    care.#tasks.start('rebalance', (signal) =>
      repeat(everyMs, () => care.#rebalanceWhenCalm(signal), { ...common, signal }),
    );
    care.#tasks.start('stock', async (signal) => {
      await delay(care.#o.times?.firstStockMs ?? firstStockMs, { signal, clock: care.#clock });
      await repeat(stockEveryMs, () => care.#stockWhenServing(signal), { ...common, signal });
    });
    care.#scrubbing.start(care.#tasks);
    return care;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A reader found a shard missing or wrong, or a scrub did. It is looked at again before anything is done. */
  fault({ chunkId, index, backendNo, kind }: ShardFault): void {
    if (!this.#o.catalog.isServing || this.#tasks.signal.aborted) return;
    this.#repairer.add(Buffer.from(chunkId), 1, [index]);
    if (kind === 'missing') this.#probe(backendNo);
  }

  /** All that there is to know, of which the numbers of chunks are those of the last survey. */
  status(): CareStatus {
    const { chunks, needy, unreadable, missing, shards } = this.#surveys.latest;
    const backends = this.#rows
      .filter(({ use, no }) => use !== 'retired' || shards.has(no))
      .map(({ no, name, use }): BackendStatus => {
        const backend = this.#o.backends.byNo(no);
        return {
          ...{ no, name, use },
          state: backend?.state,
          class: this.#view.classOf(no),
          shards: shards.get(no) ?? 0,
          usedBytes: backend?.usedBytes ?? 0,
          freeBytes: backend?.freeBytes ?? 0,
          isWritable: backend?.isWritable ?? false,
        };
      });
    return {
      isServing: this.#o.catalog.isServing,
      ...{ chunks, needyChunks: needy, unreadableChunks: unreadable, missingShards: missing },
      pending: this.#repairer.pending,
      repaired: { ...this.#repairer.counts },
      rebalanced: { ...this.#rebalance.counts },
      scrub: this.#scrubbing.status,
      backends,
      needed: this.#needed(shards),
      log: logStatus(this.#o.catalog),
    };
  }

  #needed(shards: ReadonlyMap<number, number>): readonly string[] {
    const { catalog } = this.#o;
    const named = this.#rows.flatMap(({ no, name }) => (shards.has(no) ? [name] : []));
    const members = catalog.members.map(({ name }) => name);
    const holders = catalog.isServing ? catalog.read((db) => keyHolders(db)) : [];
    return [...new Set([...named, ...members, ...holders])];
  }

  /** The same, once all records were looked through. @throws BASE_ABORTED */
  async surveyed(signal: AbortSignal): Promise<CareStatus> {
    while (this.#surveys.count === 0 && this.#o.catalog.isServing) {
      await delay(lookEveryMs / 2, { signal, clock: this.#clock });
    }
    return this.status();
  }

  /** The same, once all records were looked through after this call. @throws BASE_ABORTED */
  async surveyedAnew(signal: AbortSignal): Promise<CareStatus> {
    const count = this.#surveys.request();
    while (this.#surveys.count < count && this.#o.catalog.isServing) {
      await delay(lookEveryMs / 2, { signal, clock: this.#clock });
    }
    return this.status();
  }

  /**
   * Looks through all records now, and resolves when what could be mended is.
   * @param options.isHurried makes again at once what is on backends that do not answer
   * @param options.onProgress hears now and then
   * @throws BASE_ABORTED
   */
  async repair(options: RepairOptions): Promise<CareStatus> {
    const { signal, isHurried = false, onProgress } = options;
    if (isHurried) this.#hurried++;
    try {
      if (isHurried) await this.#untilJudged(signal);
      let before = this.#repairer.counts.shards;
      for (;;) {
        await this.#surveyAndMend(signal, onProgress);
        // The survey that follows the last repair finds nothing that can be mended.
        const { shards } = this.#repairer.counts;
        if (shards === before || !this.#o.catalog.isServing) return this.status();
        before = shards;
      }
    } finally {
      if (isHurried) this.#hurried--;
    }
  }

  /**
   * Has all backends hash what they have, compares it with the records, and mends what is wrong.
   * @param onProgress hears now and then; repairs come after the last one
   */
  async scrub(options: {
    readonly signal: AbortSignal;
    readonly onProgress?: (counts: AuditCounts) => void;
  }): Promise<AuditCounts> {
    const { signal, onProgress } = options;
    const counts = await this.#scrubbing.run(signal, onProgress);
    await this.repair({ signal });
    return counts;
  }

  /**
   * Has a backend emptied, or used again; its shards are moved in the background.
   * @throws ZSTOR_BACKEND_UNKNOWN, as `Catalog.write`
   */
  async drain(name: string, isDraining: boolean): Promise<void> {
    await this.#o.catalog.write((db) => drainBackend(db, name, isDraining));
    this.#look();
  }

  /** Waits until it is known of each backend whether it answers. */
  async #untilJudged(signal: AbortSignal): Promise<void> {
    const isOpen = ({ no, use }: BackendRow): boolean =>
      use !== 'retired' && this.#view.classOf(no) === 'away';
    do {
      await delay(lookEveryMs, { signal, clock: this.#clock });
    } while (this.#rows.some(isOpen) && this.#o.catalog.isServing);
  }

  async #surveyAndMend(
    signal: AbortSignal,
    onProgress: ((status: CareStatus) => void) | undefined,
  ): Promise<void> {
    const count = this.#surveys.request();
    while (this.#surveys.count < count || this.#repairer.pending > 0) {
      if (!this.#o.catalog.isServing) return;
      await delay(lookEveryMs / 2, { signal, clock: this.#clock });
      onProgress?.(this.status());
    }
  }

  /** What was lost need not wait for the time of the next look once it has another place. */
  #lookAtOnce(): void {
    this.#tasks.start('backends', async (signal) => {
      this.#look();
      await this.#survey(signal);
    });
  }

  /** Compares backends with what they were. */
  #look(): void {
    const { catalog, backends } = this.#o;
    if (!catalog.isServing) {
      this.#signature = '';
      this.#repairer.queue.clear();
      return;
    }
    this.#rows = catalog.read(listBackends);
    const draining = new Set(this.#rows.flatMap(({ no, use }) => (use === 'draining' ? [no] : [])));
    const replaced = new Set(backends.specs.flatMap((spec) => spec.replaces ?? []));
    const kept = this.#rows.flatMap(({ no, name, use }) => {
      const isOver = use === 'retired' || (replaced.has(name) && !backends.has(name));
      return isOver ? [] : [no];
    });
    backends.drain(draining);
    this.#view.isHurried = this.#hurried > 0;
    this.#view.look(backends, kept, draining, this.#clock.monotonicMs());
    this.#nodes = new Map(backends.all.map(({ no, place }) => [no, place.node]));
    this.#writableNodes = new Set(this.#view.writable.map(({ place }) => place.node));
    const { signature } = this.#view;
    if (signature !== this.#signature) this.#surveys.due();
    this.#signature = signature;
    this.#takeUpMissing();
  }

  /** Chunks that were written where too few backends were there. */
  #takeUpMissing(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#nextMissingMs || this.#writableNodes.size === 0) return;
    this.#nextMissingMs = nowMs + missingEveryMs;
    const found = this.#o.catalog.read((db) => chunksWithMissing(db, missingMax));
    const seen = new Map<string, SeenMissing>();
    for (const chunk of found) {
      const name = chunk.id.toString('latin1');
      const entry = this.#seenMissing.get(name) ?? { sinceMs: nowMs, isTaken: false };
      seen.set(name, entry);
      const isSettled = nowMs - entry.sinceMs >= settledAfterMs;
      // What was tried in vain waits for the next survey.
      if (entry.isTaken || (this.#o.ids.mayBeInFlight(chunk.id) && !isSettled)) continue;
      entry.isTaken = true;
      this.#take(chunk);
    }
    this.#seenMissing = seen;
  }

  #take(chunk: WalkedChunk): ChunkNeed {
    const need = needOf(chunk, this.#placeView());
    const { missing, misplaced, spareShards } = need;
    if (missing.length > 0 && spareShards >= 0) this.#repairer.add(chunk.id, spareShards);
    else if (misplaced.length > 0) this.#repairer.add(chunk.id, Infinity);
    return need;
  }

  /** Of a chunk that is being written shards are on their way. */
  #takeUp(chunk: WalkedChunk): ChunkNeed | undefined {
    const isOnItsWay = this.#o.ids.mayBeInFlight(chunk.id) && chunk.locations.includes(nowhere);
    return isOnItsWay ? undefined : this.#take(chunk);
  }

  async #survey(signal: AbortSignal): Promise<void> {
    const isCalm = this.#repairer.pending === 0;
    const hasNews = isCalm && this.#repairer.takeNews();
    await this.#surveys.runWhenDue({ hasNews, isCalm }, signal);
  }

  async #snapshotWhenCalm(): Promise<void> {
    if (this.#repairer.pending === 0) await this.#snapshots.look();
  }

  async #stockWhenServing(signal: AbortSignal): Promise<void> {
    // The next time is far away: one that does not serve just now takes stock as soon as it does.
    while (!this.#o.catalog.isServing) await delay(lookEveryMs, { signal, clock: this.#clock });
    const missing = await this.#takeStock(signal);
    this.#logger.info({ missing }, 'keys of backends are compared with the records');
  }

  async #rebalanceWhenCalm(signal: AbortSignal): Promise<void> {
    if (!this.#o.catalog.isServing || this.#surveys.count === 0) return;
    const { bytesOn } = this.#surveys.latest;
    await this.#rebalance.run((no) => bytesOn.get(no) ?? 0, signal);
    if (this.#rebalance.counts.shards > 0) this.#surveys.due();
  }

  /** A backend that lacks a shard may lack all: it is asked at once what it is. */
  #probe(no: number): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - (this.#probedMs.get(no) ?? -Infinity) < lookEveryMs) return;
    this.#probedMs.set(no, nowMs);
    this.#tasks.start('probe', async () => {
      try {
        await this.#o.backends.probe(no);
      } catch (error) {
        if (!isGridError(error)) throw error;
      }
    });
  }

  #placeView(): PlaceView {
    return {
      classOf: (no) => this.#view.classOf(no),
      nodeOf: (no) => this.#nodes.get(no),
      writableNodes: () => this.#writableNodes,
    };
  }
}

function logStatus({ members, index }: Catalog): CareStatus['log'] {
  const inStep = members.filter(({ isBound, isWiped, completeTo, problem }) => {
    return isBound && !isWiped && problem === undefined && completeTo >= index;
  });
  return { members: members.length, inStep: inStep.length };
}
