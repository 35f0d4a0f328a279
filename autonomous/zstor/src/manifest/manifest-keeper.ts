import { rm } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { isGridError, repeat, silentLogger, systemClock, TaskGroup } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { Backend } from '../backends/backend.ts';
import { keyPages } from '../backends/key-pages.ts';
import type { StoredKey } from '../backends/key-pages.ts';
import { candidatesOf } from '../blob/shard-spread.ts';
import type { Backends } from '../blob/shard-spread.ts';
import { statementOf } from '../catalog/statement-of.ts';
import { isRebuilt } from '../rebuild/rebuild-tables.ts';
import type { ManifestCollectorOptions } from './manifest-collector.ts';
import { openManifestPart } from './manifest.ts';
import { isDeadManifest } from './manifest-tables.ts';

const lookEveryMs = 60_000;
/** All manifests are counted so often, and when backends have come or gone. */
const countEveryMs = 24 * 60 * 60_000;
/** What is read of a manifest at a time: a part has 1 MiB of content. */
const partBytes = 2 ** 20;

export interface ManifestKeeperOptions extends ManifestCollectorOptions {
  readonly backends: Backends;
  /** Of the store; seals all manifests. */
  readonly key: Uint8Array;
  /**
   * Whether there is no version with this id, and never will be: a head that was killed may have
   * written its manifest. Never true of ids that this head gave away. Default: of none.
   */
  readonly isForgotten?: ((db: DatabaseSync, versionId: Buffer) => boolean) | undefined;
  /** As many copies as it says, and one more. */
  readonly parityShards: number;
  /** A file in which copies are counted; made, and removed again. */
  readonly path: string;
}

/**
 * Gives manifests that have too few copies more of them, after backends were lost or emptied, and deletes
 * those of versions that never came to be: a rebuild would put them in the place of others.
 */
export class ManifestKeeper implements AsyncDisposable {
  readonly #o: ManifestKeeperOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #tasks: TaskGroup;
  /** Backends that answered at the last look, and when all was counted. */
  #seen = '';
  #counted = '';
  #countedMs = -Infinity;

  constructor(options: ManifestKeeperOptions) {
    const { logger = silentLogger, clock = systemClock } = options;
    this.#o = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#tasks = new TaskGroup({ onError: (err, name) => logger.error({ err, name }, 'failed') });
    const onError = (err: unknown): void => logger.warn({ err }, 'counting manifests failed');
    this.#tasks.start('manifests', (signal) =>
      repeat(lookEveryMs, () => this.#look(signal), { signal, clock, onError }),
    );
  }

  /**
   * Counts the copies of all manifests on backends that answer, makes what is missing, and deletes what
   * is forgotten.
   * @returns how many were made
   */
  async keep(signal?: AbortSignal): Promise<number> {
    const { path, parityShards } = this.#o;
    await rm(path, { force: true });
    const db = new DatabaseSync(path);
    try {
      db.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
        CREATE TABLE copies (key BLOB, backend INTEGER, PRIMARY KEY (key, backend)) WITHOUT ROWID`);
      await this.#count(db, signal);
      const sql = `SELECT key, group_concat(backend) AS backends FROM copies
        GROUP BY key HAVING count(*) <= ${parityShards}`;
      let made = 0;
      for (const row of db.prepare(sql).iterate()) {
        signal?.throwIfAborted();
        const key = row['key'];
        if (!(key instanceof Uint8Array)) continue;
        made += await this.#copy(Buffer.from(key), String(row['backends']).split(',').map(Number));
      }
      return made;
    } finally {
      db.close();
      await rm(path, { force: true });
    }
  }

  close(): Promise<void> {
    return this.#tasks.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #healthy(): readonly Backend[] {
    return this.#o.backends.all.filter(({ state }) => state === 'healthy');
  }

  async #look(signal: AbortSignal): Promise<void> {
    if (!this.#o.tables.isServing) return;
    const numbers = String(this.#healthy.map(({ no }) => no).toSorted((a, b) => a - b));
    const isSettled = numbers === this.#seen;
    this.#seen = numbers;
    const isDue = this.#clock.monotonicMs() - this.#countedMs >= countEveryMs;
    if (!isSettled || (numbers === this.#counted && !isDue)) return;
    const made = await this.keep(signal);
    this.#counted = numbers;
    this.#countedMs = this.#clock.monotonicMs();
    if (made > 0) this.#logger.info({ made }, 'manifests have copies again');
  }

  async #count(db: DatabaseSync, signal: AbortSignal | undefined): Promise<void> {
    const insert = statementOf(db, 'INSERT OR IGNORE INTO copies VALUES (?, ?)');
    for (const backend of this.#healthy) {
      for await (const page of keyPages(backend, 'M', signal)) {
        const kept = await this.#deleteForgotten(backend, page);
        db.exec('BEGIN');
        for (const { key } of kept) insert.run(key, backend.no);
        db.exec('COMMIT');
      }
    }
  }

  /** An id is given away once: what is forgotten stays so, however late it is deleted. */
  async #deleteForgotten(
    backend: Backend,
    page: readonly StoredKey[],
  ): Promise<readonly StoredKey[]> {
    const { tables, isForgotten } = this.#o;
    const versionIdOf = (key: Buffer): Buffer => key.subarray(1, 17);
    const forgotten = tables.read((db) => {
      if (isForgotten === undefined || isRebuilt(db)) return [];
      return page.filter(({ key }) => isForgotten(db, versionIdOf(key)));
    });
    if (forgotten.length === 0) return page;
    tables.requireLease();
    await backend.remove(forgotten.map(({ key }) => key));
    return page.filter((each) => !forgotten.includes(each));
  }

  async #copy(key: Buffer, holders: readonly number[]): Promise<number> {
    const { backends, tables, parityShards } = this.#o;
    let made = 0;
    try {
      const sound = await this.#soundOf(key, holders);
      const [holder] = sound;
      if (holder === undefined) {
        this.#logger.warn(
          { key: key.toString('hex') },
          'no copy of a manifest that answers is sound',
        );
        return 0;
      }
      const takenNodes = new Set(holders.map((no) => backends.byNo(no)?.place.node));
      const free = candidatesOf(backends).filter(({ place }) => !takenNodes.has(place.node));
      const onNodes = new Map(free.map((candidate) => [candidate.place.node, candidate]));
      const targets = [...onNodes.values()]
        .toSorted((a, b) => b.freeBytes - a.freeBytes)
        .slice(0, parityShards + 1 - sound.length);
      for (const { no } of targets) {
        const target = backends.byNo(no);
        const value = await holder.get(key, partBytes);
        const isDead = tables.read((db) => isDeadManifest(db, key.subarray(1, 17)));
        if (value === undefined || target === undefined || isDead) return made;
        // Each answer is verified: a backend gives what is damaged as it is.
        if (openManifestPart(this.#o.key, key.subarray(1, 17), value) === undefined) return made;
        await target.put(key, value);
        // Removed meanwhile, everywhere: this one came too late for that.
        if ((await holder.get(key, partBytes)) === undefined) await target.remove([key]);
        else made++;
      }
    } catch (err) {
      if (!isGridError(err)) throw err;
      this.#logger.debug({ err }, 'a manifest could not be copied');
    }
    return made;
  }

  /** Those whose copy is what the store has sealed: another one is not to be copied, nor to count. */
  async #soundOf(key: Buffer, holders: readonly number[]): Promise<readonly Backend[]> {
    const { backends, key: sealKey } = this.#o;
    const sound: Backend[] = [];
    for (const no of holders) {
      const backend = backends.byNo(no);
      const value = await backend?.get(key, partBytes);
      const opened = value && openManifestPart(sealKey, key.subarray(1, 17), value);
      if (backend !== undefined && opened !== undefined) sound.push(backend);
    }
    return sound;
  }
}
