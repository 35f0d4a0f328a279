import type { DatabaseSync } from 'node:sqlite';
import { isGridError, repeat, silentLogger, systemClock, TaskGroup } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { Backend } from '../backends/backend.ts';
import type { Backends } from '../blob/shard-spread.ts';
import { isRebuilt } from '../rebuild/rebuild-tables.ts';
import { manifestKey } from './manifest.ts';
import { deadManifests, forgetManifest } from './manifest-tables.ts';

const collectEveryMs = 10_000;
/** Manifests that are removed at a time. */
const removalsAtOnce = 1_000;

export interface ManifestCollectorOptions {
  readonly tables: {
    readonly isServing: boolean;
    /** Of this head, while it serves. */
    readonly epoch: number;
    read<T>(query: (db: DatabaseSync) => T): T;
    write<T>(change: (db: DatabaseSync) => T): Promise<T>;
    requireLease(): void;
  };
  readonly backends: Backends;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export interface ManifestRemovalOptions extends ManifestCollectorOptions {
  /** Resolves when what was sent has ended, with whether all versions have their manifests. */
  readonly flush: () => Promise<boolean>;
}

/**
 * Removes the manifests of versions that are gone, from all backends that answer: where they are is not
 * kept. One that stays on a backend which is away can only bring back what was deleted, in a rebuild.
 */
export class ManifestCollector implements AsyncDisposable {
  readonly #o: ManifestRemovalOptions;
  readonly #tasks: TaskGroup;

  constructor(options: ManifestRemovalOptions) {
    const { logger = silentLogger, clock = systemClock } = options;
    this.#o = options;
    this.#tasks = new TaskGroup({ onError: (err, name) => logger.error({ err, name }, 'failed') });
    const onError = (err: unknown): void => logger.warn({ err }, 'removing manifests failed');
    this.#tasks.start('manifests', (signal) =>
      repeat(collectEveryMs, () => this.collect(signal), { signal, clock, onError }),
    );
  }

  /** Removes what is to be removed now. */
  async collect(signal?: AbortSignal): Promise<void> {
    const { tables, backends, flush } = this.#o;
    while (tables.isServing && signal?.aborted !== true && !tables.read(isRebuilt)) {
      const dead = tables.read((db) => deadManifests(db, removalsAtOnce));
      if (dead.length === 0) return;
      // What took the place of a version must be found by a rebuild before that one is not.
      if (!(await flush())) return;
      tables.requireLease();
      // Some have further parts; how many is not kept.
      for (let part = 0, count = 0; part <= 1 || count > 0; part++) {
        const keys = dead.map((versionId) => manifestKey(versionId, part));
        const counts = await Promise.all(backends.all.map((backend) => removeFrom(backend, keys)));
        count = Math.max(0, ...counts);
      }
      await tables.write((db) => dead.forEach((versionId) => forgetManifest(db, versionId)));
    }
  }

  close(): Promise<void> {
    return this.#tasks.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function removeFrom(backend: Backend, keys: readonly Buffer[]): Promise<number> {
  try {
    return await backend.remove(keys);
  } catch (error) {
    if (!isGridError(error)) throw error;
    return 0;
  }
}
