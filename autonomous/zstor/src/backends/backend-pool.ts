import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import {
  closeOnce,
  delay,
  errorCode,
  isGridError,
  repeat,
  silentLogger,
  systemClock,
  TaskGroup,
} from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { Backend } from './backend.ts';
import { markerKey } from './backend-identity.ts';
import type { BackendIdentity } from './backend-identity.ts';
import { nameOfBackend, readBackendsFile } from './backends-file.ts';
import type { BackendSpec } from './backends-file.ts';
import { untilQuiet } from './until-quiet.ts';
import { ZdbBackend } from './zdb-backend.ts';

/** How often a backend is asked for its free space, and whether it is still the one that it was. */
const probeEveryMs = 3_000;
/** How often one that does not answer is asked whether it is back. */
const suspectProbeEveryMs = 1_000;
/** A file that is being written changes several times. */
const settleMs = 100;
/** One whose backends could not be numbered is read again after so long. */
const retryReadMs = 1_000;

export interface BackendPoolOptions {
  /**
   * The number of a backend, which the catalogue keeps: 1 to 65,535, never given to another. Undefined while it has
   * none: a head that stands by gives none away, and leaves it out until it is asked again.
   */
  readonly numberOf: (spec: BackendSpec) => number | undefined | Promise<number | undefined>;
  /** Looks at the markers of namespaces. Default: each is what its name says. */
  readonly identity?: BackendIdentity;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Default 10 s. */
  readonly commandTimeoutMs?: number;
}

interface Member {
  readonly backend: ZdbBackend;
  /** Its marker was found to be the right one. */
  isSettled: boolean;
  readonly tasks: TaskGroup;
}

/** All backends of a store. Each is connected to when it is first asked. */
export class BackendPool implements AsyncDisposable {
  readonly #options: BackendPoolOptions;
  readonly #logger: Logger;
  readonly #members = new Map<number, Member>();
  readonly #watching: TaskGroup;
  #all: readonly ZdbBackend[] = [];
  #specs: readonly BackendSpec[] = [];
  #isNumbered = true;
  #reloading: Promise<void> = Promise.resolve();
  readonly #listeners = new Set<() => void>();

  private constructor(options: BackendPoolOptions) {
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    this.#watching = this.#newTasks();
  }

  /** Resolves when each backend has been asked once whether it is there. */
  static async open(
    specs: readonly BackendSpec[],
    options: BackendPoolOptions,
  ): Promise<BackendPool> {
    const pool = new BackendPool(options);
    await pool.reload(specs);
    return pool;
  }

  get all(): readonly Backend[] {
    return this.#all;
  }

  byNo(no: number): Backend | undefined {
    return this.#members.get(no)?.backend;
  }

  /** The backends file as it was read last. */
  get specs(): readonly BackendSpec[] {
    return this.#specs;
  }

  /** Whether a backend of the file has this name. */
  has(name: string): boolean {
    return this.#all.some(({ spec }) => nameOfBackend(spec) === name);
  }

  /** The names of all, by number. */
  get names(): ReadonlyMap<number, string> {
    return new Map(this.#all.map(({ no, spec }) => [no, nameOfBackend(spec)]));
  }

  /** Which backends are to be emptied: they take no new shards. */
  drain(numbers: ReadonlySet<number>): void {
    for (const backend of this.#all) backend.isDraining = numbers.has(backend.no);
  }

  /** Asks a backend at once whether it is what it was: something was missing there. */
  async probe(no: number): Promise<void> {
    const member = this.#members.get(no);
    if (member !== undefined) await this.#probe(member);
  }

  /**
   * Takes a new list; connections of those that stay as they are stay.
   * @param patienceMs those that are late when no answer has come for so long are not waited for, and suspect until
   *   they answer; by default each is waited for
   */
  reload(specs: readonly BackendSpec[], patienceMs?: number): Promise<void> {
    const reloaded = this.#reloading.then(() => this.#reload(specs, patienceMs));
    // One that failed, since a head that does not serve has no numbers, must not end all that follow.
    this.#reloading = reloaded.catch(() => {});
    return reloaded;
  }

  /** @param listener hears of each list that was taken, once backends that are new were asked whether they are there */
  watch(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /**
   * Reads the file again now, at each change and at SIGHUP, until the pool is closed. A file that cannot
   * be read changes nothing, and is logged.
   */
  follow(path: string): void {
    this.#watching.start('backends file', (signal) => this.#follow(path, signal));
  }

  readonly close: () => Promise<void> = closeOnce(async () => {
    await this.#watching.close();
    await this.#reloading;
    await Promise.all([...this.#members.values()].map(end));
  });

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #reload(specs: readonly BackendSpec[], patienceMs?: number): Promise<void> {
    this.#specs = specs;
    const wanted = new Map<number, BackendSpec>();
    let isNumbered = true;
    for (const spec of specs.filter(({ hasShards }) => hasShards !== false)) {
      const no = await this.#options.numberOf(spec);
      if (no === undefined) isNumbered = false;
      else wanted.set(no, spec);
    }
    this.#isNumbered = isNumbered;
    const gone = [...this.#members].filter(([no, { backend }]) => {
      return JSON.stringify(wanted.get(no)) !== JSON.stringify(backend.spec);
    });
    for (const [no] of gone) this.#members.delete(no);
    const added = new Map([...wanted].filter(([no]) => !this.#members.has(no)));
    for (const [no, spec] of added) this.#members.set(no, this.#start(no, spec));
    this.#list();
    // Of those that were there before some may not be known yet to be the right ones.
    const asked = [...this.#members].filter(([no, { isSettled, backend }]) => {
      return added.has(no) || (!isSettled && backend.state === 'healthy');
    });
    await Promise.all([
      ...gone.map(([, member]) => end(member)),
      this.#askAll(
        asked.map(([no]) => no),
        patienceMs,
      ),
    ]);
    for (const tell of this.#listeners) tell();
  }

  /** Asks each whether it is there. A machine without power does not even refuse a connection. */
  async #askAll(numbers: readonly number[], patienceMs: number | undefined): Promise<void> {
    const asked = numbers.map((no) => this.probe(no));
    if (patienceMs === undefined) {
      await Promise.all(asked);
      return;
    }
    for (const one of asked) this.#watching.start('first answer', () => one);
    const late = await untilQuiet(asked, patienceMs, this.#options.clock ?? systemClock);
    for (const at of late) this.#members.get(numbers[at] ?? 0)?.backend.suspect();
  }

  #list(): void {
    this.#all = [...this.#members.values()].map(({ backend }) => backend);
  }

  #start(no: number, spec: BackendSpec): Member {
    const { clock = systemClock, commandTimeoutMs } = this.#options;
    const timeout = commandTimeoutMs === undefined ? {} : { commandTimeoutMs };
    const backend = new ZdbBackend({ no, spec, clock, ...timeout });
    const tasks = this.#newTasks();
    const member: Member = { backend, isSettled: this.#options.identity === undefined, tasks };
    let probedMs = clock.monotonicMs();
    tasks.start(nameOfBackend(spec), (signal) =>
      repeat(
        suspectProbeEveryMs,
        async () => {
          const isDue = clock.monotonicMs() - probedMs >= probeEveryMs;
          if (backend.state === 'healthy' && member.isSettled && !isDue) return;
          probedMs = clock.monotonicMs();
          await this.#probe(member);
        },
        { signal, clock },
      ),
    );
    return member;
  }

  async #probe(member: Member): Promise<void> {
    const { backend } = member;
    const before = backend.state;
    try {
      await this.#settle(member, await backend.probe());
    } catch (error) {
      if (!isGridError(error)) throw error;
      this.#logger.debug({ err: error }, 'a backend does not answer');
    }
    const after = backend.state;
    if (before !== after) this.#logger.info({ no: backend.no, before, after }, 'backend');
  }

  /** Has the marker say which backend it is, unless that was known. */
  async #settle(member: Member, found: Buffer | undefined): Promise<void> {
    const { identity } = this.#options;
    const { backend } = member;
    if (identity === undefined) return;
    const isRight = found !== undefined && identity.markerOf(backend.no).equals(found);
    if (isRight && member.isSettled) return;
    member.isSettled = false;
    const name = nameOfBackend(backend.spec);
    const no = await identity.settle(name, backend.no, found);
    backend.isForeign = no === undefined;
    if (no === undefined) {
      this.#logger.error({ no: backend.no, name }, 'a backend of another store, or listed twice');
    } else if (no !== backend.no) {
      this.#logger.warn({ name, before: backend.no, after: no }, 'a backend is another one now');
      this.#renumber(member, no);
    } else if (isRight) {
      member.isSettled = true;
    } else {
      await backend.put(markerKey, identity.markerOf(no));
      member.isSettled = (await identity.settle(name, no, identity.markerOf(no))) === no;
    }
  }

  /** Another connection under another number; what was under way on the old one has failed. */
  #renumber(member: Member, no: number): void {
    const { backend, tasks } = member;
    if (this.#members.get(backend.no) !== member || this.#watching.signal.aborted) return;
    this.#members.delete(backend.no);
    // Two that changed places: the other one begins anew, and says itself which it is.
    const former = this.#members.get(no);
    const next = this.#start(no, backend.spec);
    next.backend.isDraining = backend.isDraining;
    this.#members.set(no, next);
    this.#list();
    // Its own task is what found it: it ends once that has returned.
    const ending = Promise.all([tasks.close(), backend.close(), former && end(former)]);
    this.#watching.start('renumbered', async () => {
      await ending;
      if (former !== undefined) await this.reload(this.#specs);
    });
    this.#watching.start(nameOfBackend(backend.spec), () => this.#probe(next));
  }

  async #follow(path: string, signal: AbortSignal): Promise<void> {
    const { clock = systemClock } = this.#options;
    let wake = Promise.withResolvers<void>();
    const onChange = (): void => wake.resolve();
    // The folder, because editors put a new file in the place of the old one.
    const watcher = watch(dirname(path), { signal }, (_event, name) => {
      if (name === null || name === basename(path)) onChange();
    });
    watcher.on('error', (error) => this.#logger.warn({ err: error }, 'backends file'));
    process.on('SIGHUP', onChange);
    signal.addEventListener('abort', onChange, { once: true });
    // What came since it was read and before it was watched.
    onChange();
    try {
      for (;;) {
        await wake.promise;
        await delay(settleMs, { signal, clock }).catch(() => undefined);
        if (signal.aborted) return;
        wake = Promise.withResolvers<void>();
        const isRead = await this.#readAgain(path);
        if (!isRead) clock.setTimer(retryReadMs, onChange);
      }
    } finally {
      process.off('SIGHUP', onChange);
      watcher.close();
    }
  }

  /** @returns false when it is worth trying again: this head may have no numbers just now */
  async #readAgain(path: string): Promise<boolean> {
    try {
      await this.reload(await readBackendsFile(path));
      return this.#isNumbered;
    } catch (error) {
      this.#logger.warn({ err: error, code: errorCode(error) }, 'the backends stay as they are');
      return !isGridError(error) || !error.retryable;
    }
  }

  #newTasks(): TaskGroup {
    return new TaskGroup({
      onError: (error, name) => this.#logger.error({ err: error, name }, 'backends'),
    });
  }
}

async function end({ backend, tasks }: Member): Promise<void> {
  const ended = tasks.close();
  await backend.close();
  await ended;
}
