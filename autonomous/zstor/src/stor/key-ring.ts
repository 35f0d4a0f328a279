import type { DatabaseSync } from 'node:sqlite';
import {
  closeOnce,
  GridError,
  isGridError,
  Mutex,
  repeat,
  silentLogger,
  systemClock,
  systemRandom,
  TaskGroup,
} from '@commongrid/base';
import type { Clock, Logger, Random } from '@commongrid/base';
import { nameOfBackend } from '../backends/backends-file.ts';
import type { BackendSpec } from '../backends/backends-file.ts';
import type { ZstorErrorCode } from '../errors.ts';
import { KeyHolder } from './key-holder.ts';
import * as rows from './key-tables.ts';
import { keyBytes, KeyWrap } from './key-wrap.ts';
import { placeOf } from './log-place.ts';
import { openBytes, sealBytes } from './sealed-bytes.ts';
import type { StorKeys } from './stor-keys.ts';

/** How often all keys of all holders are compared. */
const lookEveryMs = 10 * 60_000;
/** How often holders that did not erase a key are asked again. */
const eraseEveryMs = 30_000;
/** How often each holder is asked for one key: one that was emptied must not be long without. */
const glanceEveryMs = 3_000;
/** Keys that one holder is asked for at a time. */
const keysAtOnce = 256;

export interface KeyRingOptions {
  readonly keys: StorKeys;
  /** The backends file as it is now. */
  readonly specs: () => readonly BackendSpec[];
  /** m: a key is kept by 2m + 1 holders, of which a majority has to take it. */
  readonly parityShards: number;
  /** A catalogue with `keyTables`. */
  readonly tables: {
    readonly isServing: boolean;
    read<T>(query: (db: DatabaseSync) => T): T;
    write<T>(change: (db: DatabaseSync) => T): Promise<T>;
    requireLease(): void;
  };
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
  /** Default 10 min. */
  readonly lookEveryMs?: number;
  /** Default 3 s. */
  readonly glanceEveryMs?: number;
}

/**
 * The keys of buckets. Each is random, sealed by the secret of the store, and kept in namespaces for
 * keys alone, on 2m + 1 nodes: not in the tables, their log or snapshots. Once all of them have erased
 * it, nothing opens what it wraps any more, wherever copies of that may be.
 *
 * A key never changes, so any copy that opens is the right one. Whether it is a key still is known to
 * the tables. Holders that were emptied are filled from the others, and those that stay away are
 * replaced, while this head serves.
 */
export class KeyRing implements AsyncDisposable {
  readonly #o: KeyRingOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #holders = new Map<string, KeyHolder>();
  readonly #wraps = new Map<number, KeyWrap>();
  readonly #tasks: TaskGroup;
  /** Who erases must not be overtaken by who fills. */
  readonly #turns = new Mutex();
  readonly close: () => Promise<void>;

  constructor(options: KeyRingOptions) {
    const { logger = silentLogger, clock = systemClock } = options;
    this.#o = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#wraps.set(0, options.keys.own);
    this.#tasks = new TaskGroup({ onError: (err, name) => logger.error({ err, name }, 'failed') });
    const onError = (err: unknown): void => logger.warn({ err }, 'care of keys failed');
    const timing = { lookEveryMs, glanceEveryMs, ...options };
    this.#tasks.start('keys', (signal) =>
      repeat(timing.lookEveryMs, () => this.look(signal), { signal, clock, onError }),
    );
    this.#tasks.start('erase', (signal) =>
      repeat(eraseEveryMs, () => this.#eraseLate(signal), { signal, clock, onError }),
    );
    this.#tasks.start('glance', (signal) =>
      repeat(timing.glanceEveryMs, () => this.#glance(signal), { signal, clock, onError }),
    );
    this.close = closeOnce(async () => {
      await this.#tasks.close();
      await this.#turns.run(() => {});
      await Promise.all([...this.#holders.values()].map((holder) => holder.close()));
    });
  }

  /**
   * Makes a key, for a bucket. A majority of the holders has it when this resolves.
   * @returns its number: u32, above 0, never used again
   * @throws ZSTOR_BACKENDS_INVALID, ZSTOR_KEYS_TOO_FEW, as `Catalog.write`
   */
  create(): Promise<number> {
    return this.#turns.run(async () => {
      const { tables, random = systemRandom, keys } = this.#o;
      const holders = await this.#chooseHolders();
      for (;;) {
        const no = random.uint32();
        if (no === 0 || tables.read((db) => rows.findKey(db, no)) !== undefined) continue;
        const secret = random.bytes(keyBytes);
        const record = sealBytes(keys.bucketsKey, secret, recordContext(no));
        tables.requireLease();
        await toMajority(holders, (holder) => holder.put(no, record));
        if (!(await tables.write((db) => rows.insertKey(db, no)))) continue;
        this.#wraps.set(no, new KeyWrap(no, secret));
        return no;
      }
    });
  }

  /**
   * What a key is for; from memory once it was asked for. 0 is the store's own.
   * @throws ZSTOR_KEY_ERASED, ZSTOR_KEY_UNKNOWN, ZSTOR_KEYS_TOO_FEW
   */
  async wrapperOf(no: number): Promise<KeyWrap> {
    const known = this.#wraps.get(no);
    if (known !== undefined) return known;
    const { tables } = this.#o;
    const state = tables.read((db) => rows.findKey(db, no));
    if (state !== 'live') throw noKey(no, state);
    const names = tables.read((db) => [...rows.keyHolders(db), ...rows.keyHolders(db, true)]);
    const found = await this.#fetch(
      no,
      names.map((name) => this.#holder(name)),
    );
    const wrap = new KeyWrap(no, found.secret);
    if (tables.read((db) => rows.findKey(db, no)) !== 'live') throw noKey(no, 'erased');
    this.#wraps.set(no, wrap);
    return wrap;
  }

  /** As `wrapperOf`, of a key that was asked for before: for within a change or a query. */
  loaded(no: number): KeyWrap {
    const known = this.#wraps.get(no);
    if (known !== undefined) return known;
    throw new GridError<ZstorErrorCode>('ZSTOR_KEY_NOT_LOADED', `key ${no} is not loaded`, {
      hint: 'await keyFor(no) before the change or the query',
      details: { no },
    });
  }

  /**
   * Ends a key: nothing that it wraps or seals can be opened any more. It is no key from the first
   * moment on. Holders that do not confirm that it is erased are asked again and again.
   * @returns their names: while there are any, the key is still on a disk
   * @throws ZSTOR_KEY_UNKNOWN, as `Catalog.write`
   */
  async erase(no: number): Promise<readonly string[]> {
    const { tables } = this.#o;
    if (no === 0 || tables.read((db) => rows.findKey(db, no)) === undefined) {
      throw noKey(no, undefined);
    }
    await tables.write((db) => rows.releaseKey(db, no));
    this.#wraps.delete(no);
    await this.#turns.run(() => this.#eraseAll());
    return tables.read((db) => {
      return rows.keyErasures(db).flatMap((each) => (each.no === no ? each.holder : []));
    });
  }

  /** Looks after holders once; what is done all the time while this head serves. */
  async look(signal?: AbortSignal): Promise<void> {
    const { tables } = this.#o;
    if (!tables.isServing) return;
    await this.#turns.run(async () => {
      for (const no of tables.read((db) => rows.keysOf(db, 'erased'))) this.#wraps.delete(no);
      await this.#eraseAll(signal);
      const names = tables.read((db) => rows.keyHolders(db));
      for (const name of names) {
        signal?.throwIfAborted();
        await this.#lookAt(name);
      }
    });
  }

  async #eraseLate(signal: AbortSignal): Promise<void> {
    if (!this.#o.tables.isServing) return;
    await this.#turns.run(() => this.#eraseAll(signal));
  }

  /** Asks each holder for one key; who does not have it, is lost, or was replaced, is looked at. */
  async #glance(signal: AbortSignal): Promise<void> {
    const { tables, random = systemRandom } = this.#o;
    if (!tables.isServing) return;
    const live = tables.read((db) => rows.keysOf(db, 'live'));
    const one = live.length === 0 ? undefined : live[random.int(0, live.length)];
    const names = tables.read((db) => rows.keyHolders(db));
    const hasNot = await Promise.all(
      names.map(async (name) => {
        if (this.#isReplaced(name)) return true;
        if (one === undefined) return false;
        try {
          return (await this.#holder(name).get(one)) === undefined;
        } catch (error) {
          if (!isGridError(error)) throw error;
          return this.#holder(name).isLost;
        }
      }),
    );
    await this.#turns.run(async () => {
      for (const [at, name] of names.entries()) {
        signal.throwIfAborted();
        if (hasNot[at] === true) await this.#lookAt(name);
      }
    });
  }

  /** Gives the place of a holder to another one, which gets all keys first; if there is one. */
  async replaceHolder(lost: string): Promise<void> {
    const { tables } = this.#o;
    const names = tables.read((db) => rows.keyHolders(db));
    const remaining = names.filter((name) => name !== lost);
    for (const free of this.#candidates(remaining).filter((name) => name !== lost)) {
      if (!(await this.#canTakePlace(this.#holder(free)))) continue;
      await tables.write((db) => {
        rows.setKeyHolder(db, lost, true);
        rows.setKeyHolder(db, free, false);
      });
      this.#logger.info({ lost, holder: free }, 'a holder of keys is replaced');
      return;
    }
  }

  /** Gives it all keys that there are. */
  async #canTakePlace(holder: KeyHolder): Promise<boolean> {
    try {
      await this.#fill(holder);
      return true;
    } catch (err) {
      // It is there, and lacks what nobody gives: who has lost its place is still asked for that.
      if (isGridError<ZstorErrorCode>(err, 'ZSTOR_KEYS_TOO_FEW')) return true;
      if (!isGridError(err) || !this.#o.tables.isServing) throw err;
      this.#logger.info({ err, holder: holder.name }, 'this one cannot hold keys');
      return false;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The holders; the first time, those that the backends file names first. */
  async #chooseHolders(): Promise<readonly KeyHolder[]> {
    const { tables, parityShards } = this.#o;
    let names = tables.read((db) => rows.keyHolders(db));
    if (names.length === 0) {
      const wanted = 2 * parityShards + 1;
      names = this.#candidates([]).slice(0, wanted);
      if (names.length < wanted) throw tooFewNodes(names.length, wanted);
      await tables.write((db) => names.forEach((name) => rows.setKeyHolder(db, name, false)));
    }
    return names.map((name) => this.#holder(name));
  }

  /** Names of namespaces for keys, one for each node that has none of `taken`. */
  #candidates(taken: readonly string[]): string[] {
    const specs = this.#o.specs().flatMap((spec) => keysSpecOf(spec) ?? []);
    const takenNodes = new Set(
      specs.filter((spec) => taken.includes(nameOfBackend(spec))).map(({ node }) => node),
    );
    const byNode = new Map<string, string>();
    for (const spec of specs) {
      if (takenNodes.has(spec.node) || byNode.has(spec.node)) continue;
      byNode.set(spec.node, nameOfBackend(spec));
    }
    return [...byNode.values()];
  }

  #holder(name: string): KeyHolder {
    const specs = this.#o.specs().flatMap((spec) => keysSpecOf(spec) ?? []);
    // Who has left the file may still have keys, and is asked at its address.
    const known = this.#holders.get(name);
    const listed = specs.find((each) => nameOfBackend(each) === name);
    const spec = listed ?? known?.spec ?? placeOf(name);
    if (known !== undefined && JSON.stringify(known.spec) === JSON.stringify(spec)) return known;
    const holder = new KeyHolder(spec, this.#clock);
    this.#holders.set(name, holder);
    if (known !== undefined) this.#tasks.start('close', () => known.close());
    return holder;
  }

  /** The first copy that opens. */
  async #fetch(
    no: number,
    holders: readonly KeyHolder[],
  ): Promise<{ readonly secret: Buffer; readonly record: Buffer }> {
    const asked = holders.map(async (holder) => {
      const record = await holder.get(no);
      const secret = record && openBytes(this.#o.keys.bucketsKey, record, recordContext(no));
      if (record === undefined || secret === undefined) {
        throw tooFew(`${holder.name} does not have key ${no}`);
      }
      return { secret, record };
    });
    try {
      return await Promise.any(asked);
    } catch (cause) {
      throw tooFew(`none of ${holders.length} holders gives key ${no}`, cause);
    }
  }

  async #eraseAll(signal?: AbortSignal): Promise<void> {
    const { tables } = this.#o;
    const erasures = tables.read((db) => rows.keyErasures(db));
    const byHolder = Map.groupBy(erasures, ({ holder }) => holder);
    await Promise.all(
      [...byHolder].map(async ([name, each]) => {
        for (const { no } of each) {
          signal?.throwIfAborted();
          if (!(await this.#eraseOn(name, no))) return;
          await tables.write((db) => rows.confirmErasure(db, no, name));
        }
      }),
    );
  }

  async #eraseOn(name: string, no: number): Promise<boolean> {
    try {
      await this.#holder(name).erase(no);
      return true;
    } catch (err) {
      if (!isGridError(err)) throw err;
      this.#logger.warn({ err, holder: name, no }, 'a key of a bucket is not erased yet');
      return false;
    }
  }

  /** Fills a holder that lacks keys, and erases what came back; replaces one that is lost. */
  async #lookAt(name: string): Promise<void> {
    if (this.#isReplaced(name)) {
      await this.replaceHolder(name);
      return;
    }
    const holder = this.#holder(name);
    try {
      await this.#fill(holder);
      await this.#eraseAgain(holder);
    } catch (err) {
      if (!isGridError(err)) throw err;
      this.#logger.info({ err, holder: name }, 'a holder of keys is not in step');
      if (holder.isLost) await this.replaceHolder(name);
    }
  }

  /** Whether the backends file says that another namespace took its place: it does not come back. */
  #isReplaced(name: string): boolean {
    const specs = this.#o.specs();
    const own = specs.map((spec) => keysSpecOf(spec)).map((spec) => spec && nameOfBackend(spec));
    return !own.includes(name) && specs.some(({ replaces = [] }) => replaces.includes(name));
  }

  /**
   * @returns how many keys it lacked
   * @throws ZSTOR_KEYS_TOO_FEW once it has all others, and nobody gives one of them
   */
  async #fill(holder: KeyHolder): Promise<number> {
    const { tables } = this.#o;
    const live = tables.read((db) => rows.keysOf(db, 'live'));
    const lacking = await this.#having(holder, live, false);
    if (lacking.length === 0) return 0;
    const names = tables.read((db) => [...rows.keyHolders(db), ...rows.keyHolders(db, true)]);
    const others = names.filter((name) => name !== holder.name).map((name) => this.#holder(name));
    let failure: GridError | undefined;
    for (const no of lacking) {
      try {
        const { record } = await this.#fetch(no, others);
        tables.requireLease();
        await holder.put(no, record);
      } catch (err) {
        // One that is lost must not keep the others from being safe.
        if (!isGridError<ZstorErrorCode>(err, 'ZSTOR_KEYS_TOO_FEW')) throw err;
        failure = err;
      }
    }
    if (failure !== undefined) throw failure;
    this.#logger.info({ holder: holder.name, keys: lacking.length }, 'a holder of keys is filled');
    return lacking.length;
  }

  /** A copy that somebody put back, or that a head wrote that had been deposed, does not stay. */
  async #eraseAgain(holder: KeyHolder): Promise<void> {
    const erased = this.#o.tables.read((db) => rows.keysOf(db, 'erased'));
    for (const no of await this.#having(holder, erased, true)) await holder.erase(no);
  }

  async #having(
    holder: KeyHolder,
    numbers: readonly number[],
    isThere: boolean,
  ): Promise<readonly number[]> {
    const found: number[] = [];
    for (let at = 0; at < numbers.length; at += keysAtOnce) {
      const some = numbers.slice(at, at + keysAtOnce);
      const records = await Promise.all(some.map((no) => holder.get(no)));
      found.push(...some.filter((_, i) => (records[i] !== undefined) === isThere));
    }
    return found;
  }
}

/** The namespace for keys of an entry, as a backend; undefined when it has none. */
export function keysSpecOf(spec: BackendSpec): BackendSpec | undefined {
  return spec.keys === undefined ? undefined : { ...spec, namespace: spec.keys };
}

async function toMajority(
  holders: readonly KeyHolder[],
  put: (holder: KeyHolder) => Promise<void>,
): Promise<void> {
  const results = await Promise.allSettled(holders.map(put));
  const done = results.filter(({ status }) => status === 'fulfilled').length;
  if (2 * done > holders.length) return;
  const failure = results.find((result) => result.status === 'rejected');
  throw tooFew(`${done} of ${holders.length} holders took the key`, failure?.reason);
}

function recordContext(no: number): Buffer {
  const context = Buffer.from('commongrid/zstor-keys/1 bucket\0....');
  context.writeUInt32BE(no, context.length - 4);
  return context;
}

function noKey(no: number, state: rows.KeyState | undefined): GridError<ZstorErrorCode> {
  const isErased = state === 'erased';
  return new GridError(
    isErased ? 'ZSTOR_KEY_ERASED' : 'ZSTOR_KEY_UNKNOWN',
    isErased ? `key ${no} is erased` : `there is no key ${no}`,
    { details: { no } },
  );
}

function tooFew(message: string, cause?: unknown): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_KEYS_TOO_FEW', message, {
    hint: 'bring nodes with a namespace for keys back',
    retryable: true,
    cause,
  });
}

function tooFewNodes(nodes: number, wanted: number): GridError<ZstorErrorCode> {
  return new GridError(
    'ZSTOR_BACKENDS_INVALID',
    `${wanted} nodes with a namespace for keys are needed, the backends file has ${nodes}`,
    { hint: 'give more entries `keys`', details: { nodes, wanted } },
  );
}
