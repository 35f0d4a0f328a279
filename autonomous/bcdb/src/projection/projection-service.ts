import { existsSync } from 'node:fs';
import { closeOnce, GridError, throwIfAborted } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import type { EffectBatch } from '../state/effect.ts';
import { packBatch } from './batch-message.ts';
import type { BatchMessage } from './batch-message.ts';
import type { FindQuery, FoundPage } from './find.ts';
import type { Where } from './find-query.ts';
import { namespaceFile } from './namespace-file.ts';
import type { AsOf } from './namespace-reader.ts';
import type { ObjectChange, ObjectVersion } from './object-row.ts';
import { pageMax, ProjectionReader } from './projection-reader.ts';
import type { SearchQuery } from './projection-reader.ts';
import type { NamespaceState, ProjectionWriterOptions } from './projection-writer.ts';
import { SizeWaiters } from './size-waiters.ts';
import type { SqlParameter, SqlResult } from './sql-guard.ts';
import { SqlRunner } from './sql-runner.ts';
import type { SqlRunnerOptions } from './sql-runner.ts';
import { stopped, ThreadLink } from './thread-link.ts';

export interface ProjectionServiceOptions {
  /** Folder of its own; made when it is not there. */
  readonly folder: string;
  /**
   * Effects of the log from a sequence up to its present end. Batches may begin below `from`; what
   * a file has already is skipped.
   */
  readonly catchUp: (from: number) => AsyncIterable<EffectBatch>;
  /** Root of the log at a size; undefined when it is not that long. Finds files of other logs. */
  readonly rootAt?: (size: number) => Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** Told of damaged files and of threads that ended; nothing is to be done about either. */
  readonly onEvent?: (event: ProjectionEvent) => void;
  readonly sql?: SqlRunnerOptions;
  /** Whether each page of each file is read at the start. Default true. */
  readonly isChecked?: boolean;
}

export type ProjectionEvent =
  /** A file was thrown away, and is made anew. */
  | { readonly kind: 'rebuilt'; readonly finding: string }
  /** A thread ended, and was started again. */
  | { readonly kind: 'restarted'; readonly error: unknown }
  /** The writer failed too often: the projection stands still until it is opened again. */
  | { readonly kind: 'stopped'; readonly error: unknown };

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Batches that are with the writer at a time; `apply` waits when there are as many. */
const batchesInFlightMax = 8;

/** Restarts of the writer without one batch applied in between, before it is given up. */
const restartsMax = 3;

/**
 * The projection as the rest of BCDB sees it. Writing, queries and SQL each run beside the main
 * thread; only `getNow` reads on it.
 *
 * The writer follows in one of two ways. *Live*: `apply` hands it each batch as the log grows.
 * *Catching up*, after the start and after a fault: batches come from `catchUp` until they reach
 * the newest size that `apply` spoke of, which meanwhile only notes that size.
 */
export class ProjectionService implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #options: ProjectionServiceOptions;
  readonly #now: ProjectionReader;
  readonly #sql: SqlRunner;
  readonly #applied = new SizeWaiters();
  readonly #inFlight = new Set<Promise<void>>();
  #writer: ThreadLink | undefined;
  #reader: ThreadLink | undefined;
  #room: PromiseWithResolvers<void> | undefined;
  /** Size after the last batch that was handed to the writer. */
  #handed = 0;
  /** Newest size that `apply` spoke of. */
  #target = 0;
  #catchingUp: Promise<void> | undefined;
  #restarts = 0;
  #isClosed = false;

  private constructor(options: ProjectionServiceOptions) {
    this.#options = options;
    this.#now = new ProjectionReader(options.folder);
    this.#sql = new SqlRunner(options.sql);
    this.close = closeOnce(() => this.#close());
  }

  /** Opens the folder and begins to catch up; `waitFor` tells when it has. */
  static async open(options: ProjectionServiceOptions): Promise<ProjectionService> {
    const service = new ProjectionService(options);
    try {
      await service.#startWriter();
    } catch (error) {
      await service.close();
      throw error;
    }
    service.#beginCatchUp();
    return service;
  }

  /** Size of the log up to which every query sees it. */
  get appliedSize(): number {
    return this.#applied.size;
  }

  /**
   * Takes a batch of the log as it grows. Resolves when there is room for the next one, which is
   * before it is applied. Batches must come in order; what is missing is asked of `catchUp`.
   * @throws BCDB_PROJECTION_STOPPED
   */
  async apply(batch: EffectBatch): Promise<void> {
    this.#target = Math.max(this.#target, batch.size);
    while (this.#catchingUp === undefined && this.#isFull) await this.#roomSoon();
    if (this.#applied.failure !== undefined) throw this.#applied.failure;
    if (this.#catchingUp !== undefined || batch.size <= this.#handed) return;
    if (batch.from > this.#handed) this.#beginCatchUp();
    else this.#hand(batch);
  }

  /**
   * Resolves once the effects of a record are in the projection: a read after it sees that write.
   * @throws BCDB_PROJECTION_STOPPED, BASE_ABORTED
   */
  waitFor(seq: number, options: WaitOptions = {}): Promise<void> {
    return this.#applied.waitFor(seq + 1, options.signal);
  }

  /** The current version, read on this thread: one look-up by id. */
  getNow(ns: string, url: string, obj: string): ObjectVersion | undefined {
    return this.#now.get(ns, url, obj);
  }

  get(ns: string, url: string, obj: string, asOf?: AsOf): Promise<ObjectVersion | undefined> {
    return this.#read('get', ns, url, obj, asOf);
  }

  /** @throws BCDB_QUERY_INVALID */
  find(ns: string, query: FindQuery): Promise<FoundPage> {
    return this.#read('find', ns, query);
  }

  /** @throws BCDB_QUERY_INVALID */
  count(ns: string, url: string, where?: Where): Promise<number> {
    return this.#read('count', ns, url, where);
  }

  /** @throws BCDB_QUERY_INVALID */
  search(ns: string, query: SearchQuery): Promise<FoundPage> {
    return this.#read('search', ns, query);
  }

  history(
    ns: string,
    url: string,
    obj: string,
    options: { readonly before?: number; readonly limit?: number } = {},
  ): Promise<readonly ObjectChange[]> {
    return this.#read('history', ns, url, obj, options);
  }

  /** Types with objects or a schema in a namespace. */
  types(ns: string): Promise<readonly { readonly url: string; readonly schema?: string }[]> {
    return this.#read('types', ns);
  }

  /**
   * Changes of a namespace, or of one type in it, from a sequence on; waits for new ones until the
   * signal fires. To resume, start at the sequence after the last one seen. Of versions between two
   * looks none is left out.
   */
  async *watch(
    ns: string,
    options: { readonly url?: string; readonly from: number; readonly signal?: AbortSignal },
  ): AsyncGenerator<ObjectChange, void> {
    const { url, signal } = options;
    let { from } = options;
    for (;;) {
      throwIfAborted(signal);
      const applied = this.appliedSize;
      const page = await this.#read<ReturnType<ProjectionReader['changes']>>('changes', ns, {
        url,
        from,
        limit: pageMax,
      });
      yield* page.changes;
      const last = page.changes.at(-1);
      from = last === undefined ? Math.max(from, applied) : last.seq + 1;
      if (last === undefined) await this.#applied.waitFor(from + 1, signal);
    }
  }

  /**
   * Runs one reading statement over a namespace, in a process that is killed at its time limit.
   * @throws BCDB_SQL_REFUSED, BCDB_SQL_LIMIT, BCDB_PROJECTION_BUSY
   */
  async sql(
    ns: string,
    sql: string,
    parameters: readonly SqlParameter[] = [],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<SqlResult> {
    const path = namespaceFile(this.#options.folder, ns);
    if (!existsSync(path)) {
      throw new GridError<BcdbErrorCode>('BCDB_NAMESPACE_UNKNOWN', `nothing is in ${ns} yet`);
    }
    return this.#sql.run({ path, sql, parameters }, options);
  }

  /** Throws the file of a namespace away and makes it anew. Resolves when it is complete again. */
  async rebuild(ns: string, options: WaitOptions = {}): Promise<void> {
    const target = Math.max(this.appliedSize, this.#target);
    await this.#catchingUp;
    await Promise.all(this.#inFlight);
    await this.#discard(ns);
    this.#target = Math.max(this.#target, target);
    this.#beginCatchUp();
    await this.#catchingUp;
    await this.#applied.waitFor(target, options.signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #startWriter(): Promise<void> {
    const { folder, isChecked } = this.#options;
    const workerData: ProjectionWriterOptions = {
      folder,
      ...(isChecked === undefined ? {} : { isChecked }),
    };
    const file = new URL('./writer-thread.ts', import.meta.url);
    const link = new ThreadLink(file, workerData, (error) => this.#onWriterEnd(link, error));
    this.#writer = link;
    const { size, states, findings } = (await link.call('start', [])) as {
      size: number;
      states: readonly NamespaceState[];
      findings: readonly string[];
    };
    for (const finding of findings) this.#options.onEvent?.({ kind: 'rebuilt', finding });
    this.#handed = size;
    for (const state of states) await this.#checkRoot(state);
    this.#applied.reset(this.#handed);
  }

  /** A file that was made from another log, or from one that was longer, is thrown away. */
  async #checkRoot({ ns, applied, root }: NamespaceState): Promise<void> {
    const { rootAt, onEvent } = this.#options;
    if (rootAt === undefined || root === undefined) return;
    const expected = await rootAt(applied);
    if (expected !== undefined && Buffer.compare(expected, root) === 0) return;
    onEvent?.({ kind: 'rebuilt', finding: `${ns}: its root at ${applied} is not that of the log` });
    await this.#discard(ns);
  }

  async #discard(ns: string): Promise<void> {
    const size = await this.#writer?.call('discard', [ns]);
    this.#handed = Number(size ?? 0);
    this.#applied.reset(this.#handed);
    this.#now.forget(ns);
    await this.#reader?.call('forget', [ns]);
  }

  #beginCatchUp(): void {
    if (this.#catchingUp !== undefined || this.#isClosed) return;
    this.#catchingUp = this.#runCatchUp();
  }

  async #runCatchUp(): Promise<void> {
    try {
      do {
        const before = this.#handed;
        const target = this.#target;
        for await (const batch of this.#options.catchUp(this.#handed)) {
          while (this.#isFull) await this.#roomSoon();
          if (this.#isClosed) return;
          if (batch.size > this.#handed) this.#hand(batch);
        }
        await this.#settle();
        // What `apply` spoke of meanwhile may be above the end that was read.
        if (this.#handed === before && before < target) {
          throw stopped(`the log gave nothing from ${before} on, but holds ${target} records`);
        }
      } while (this.#handed < this.#target);
    } catch (error) {
      // A writer that ended starts over by itself.
      if (this.#writer !== undefined && !this.#isClosed) this.#stop(error);
    } finally {
      // In the same turn as the last look at the target, or a batch could fall between.
      this.#catchingUp = undefined;
    }
  }

  get #isFull(): boolean {
    return this.#inFlight.size >= batchesInFlightMax;
  }

  /** Resolves when the next batch is done with; one promise for all who wait. */
  #roomSoon(): Promise<void> {
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  #hand(batch: EffectBatch): void {
    const writer = this.#writer;
    if (writer === undefined) throw stopped('its writer is being started again');
    this.#handed = batch.size;
    const message = packBatch(batch);
    const applying: Promise<void> = this.#applyOn(writer, message).finally(() => {
      this.#inFlight.delete(applying);
      this.#room?.resolve();
      this.#room = undefined;
    });
    this.#inFlight.add(applying);
  }

  async #applyOn(writer: ThreadLink, message: BatchMessage): Promise<void> {
    try {
      const readable = await writer.call('apply', [message], [message.payloads.buffer]);
      this.#restarts = 0;
      this.#advance(readable);
    } catch (error) {
      // It left a hole: the writer starts over from what is on disk.
      if (this.#writer === writer) await this.#restart(error);
    }
  }

  /** Lets files be read that were built, once the batches that were handed over are in them. */
  async #settle(): Promise<void> {
    const writer = this.#writer;
    if (writer === undefined) return;
    try {
      this.#advance(await writer.call('settle', []));
    } catch (error) {
      // Not waited for: who starts the writer again waits until nobody catches up.
      this.#onWriterEnd(writer, stopped('a file could not be finished', error));
    }
  }

  #advance(readable: unknown): void {
    if (typeof readable === 'number') this.#applied.advance(readable);
  }

  #onWriterEnd(link: ThreadLink, error: Error): void {
    if (this.#isClosed || this.#writer !== link) return;
    const restarting: Promise<void> = this.#restart(error).finally(() =>
      this.#inFlight.delete(restarting),
    );
    this.#inFlight.add(restarting);
  }

  async #restart(reason: unknown): Promise<void> {
    const old = this.#writer;
    this.#writer = undefined;
    // What it has to say at its end is known already.
    await Promise.allSettled(old === undefined ? [] : [old.close()]);
    if (++this.#restarts > restartsMax || this.#isClosed) {
      this.#stop(reason);
      return;
    }
    this.#options.onEvent?.({ kind: 'restarted', error: reason });
    try {
      await this.#catchingUp;
      await this.#startWriter();
      this.#beginCatchUp();
    } catch (cause) {
      this.#stop(cause);
    }
  }

  #stop(error: unknown): void {
    if (this.#applied.failure !== undefined) return;
    this.#applied.fail(stopped('its writer failed', error));
    if (!this.#isClosed) this.#options.onEvent?.({ kind: 'stopped', error });
  }

  async #read<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    if (this.#isClosed) throw stopped('it was closed');
    this.#reader ??= this.#startReader();
    return (await this.#reader.call(method, args)) as T;
  }

  #startReader(): ThreadLink {
    const file = new URL('./reader-thread.ts', import.meta.url);
    const link = new ThreadLink(file, { folder: this.#options.folder }, (error) => {
      if (this.#reader === link) this.#reader = undefined;
      if (!this.#isClosed) this.#options.onEvent?.({ kind: 'restarted', error });
    });
    return link;
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    await this.#catchingUp;
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
    this.#applied.fail(stopped('it was closed'));
    await Promise.allSettled([this.#writer?.close(), this.#reader?.close(), this.#sql.close()]);
    this.#now.close();
  }
}
