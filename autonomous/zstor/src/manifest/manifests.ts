import type { DatabaseSync } from 'node:sqlite';
import { isGridError, Mutex, repeat, silentLogger, systemClock, TaskGroup } from '@commongrid/base';
import type { StoragePolicy } from '../blob/blob-writer.ts';
import type { Beside } from '../catalog/beside.ts';
import { CopyWriter } from './copies.ts';
import { isSameManifest } from './manifest.ts';
import type { Manifest } from './manifest.ts';
import { ManifestCollector } from './manifest-collector.ts';
import { ManifestKeeper } from './manifest-keeper.ts';
import type { ManifestKeeperOptions } from './manifest-keeper.ts';
import { releaseManifest } from './manifest-tables.ts';
import { ManifestWriter } from './manifest-writer.ts';

/** How often is looked whether manifests are owed. */
const payEveryMs = 1_000;

export interface ManifestsOptions extends ManifestKeeperOptions {
  /** Of manifests for which nobody says another one. */
  readonly policy: StoragePolicy;
  /** What is known of a version now; undefined when there is none with this id. */
  readonly manifestOf: (db: DatabaseSync, versionId: Buffer) => Manifest | undefined;
  readonly tables: ManifestKeeperOptions['tables'] & {
    write<T>(change: (db: DatabaseSync) => T, onMade?: (result: T) => void): Promise<T>;
    attach(beside: Beside): void;
  };
}

/** What a change made, and what is to be kept beside the tables of it. */
export interface Documented<T> {
  readonly result: T;
  /** undefined when it made no version. */
  readonly manifest: Manifest | undefined;
}

/** The manifests of a store: each is there before its version is acknowledged, and goes after it. */
export class Manifests implements AsyncDisposable {
  readonly #o: ManifestsOptions;
  readonly #writer: ManifestWriter;
  readonly #collector: ManifestCollector;
  readonly #tasks: TaskGroup;
  readonly #paying = new Mutex();
  /** Sees to it that there are copies enough. */
  readonly keeper: ManifestKeeper;

  constructor(options: ManifestsOptions) {
    const { tables, backends, key, clock = systemClock, logger = silentLogger } = options;
    this.#o = options;
    this.#writer = new ManifestWriter(key, new CopyWriter(backends, clock), clock);
    tables.attach(this.#writer);
    const flush = (): Promise<boolean> =>
      this.#writer.flush(
        tables.read((db) => db),
        tables.epoch,
      );
    this.#collector = new ManifestCollector({ ...options, flush });
    this.keeper = new ManifestKeeper(options);
    this.#tasks = new TaskGroup({ onError: (err, name) => logger.error({ err, name }, 'failed') });
    const onError = (err: unknown): void => logger.warn({ err }, 'making manifests failed');
    this.#tasks.start('manifests', (signal) =>
      repeat(payEveryMs, () => this.payOwed(signal), { signal, clock, onError }),
    );
  }

  /** In the place of the one before. @throws ZSTOR_BACKENDS_TOO_FEW */
  write(manifest: Manifest, policy: StoragePolicy): Promise<void> {
    return this.#writer.write(manifest, policy);
  }

  /**
   * Makes a version known, and writes its manifest in the same turn. Resolves when both are kept.
   * @throws ZSTOR_BACKENDS_TOO_FEW, and as `Catalog.write`
   */
  async commit<T>(
    change: (db: DatabaseSync) => Documented<T>,
    policy: StoragePolicy = this.#o.policy,
  ): Promise<T> {
    this.#writer.requireNodes(policy);
    let kept: Promise<void> | undefined;
    const { result } = await this.#o.tables.write(change, ({ manifest }) => {
      kept = manifest && this.#writer.stage(manifest, policy);
    });
    await kept;
    return result;
  }

  /** Whether versions are without manifests for so long that what they replaced must stay. */
  get isLate(): boolean {
    return this.#writer.isLate;
  }

  /** Makes the manifests that a head which ended, or this one, could not write. */
  payOwed(signal?: AbortSignal): Promise<void> {
    // One at a time: what is settled is not on its way any more, so it can be removed.
    return this.#paying.run(() => this.#payOwed(signal), { signal });
  }

  /** Makes what is owed, and removes the manifests of versions that are gone. Throws as `Catalog.write`. */
  async collectNow(signal?: AbortSignal): Promise<void> {
    try {
      // A head that has just begun owes what the one before had under way, and deletes nothing till then.
      await this.payOwed(signal);
    } catch (error) {
      if (!isGridError(error, 'ZSTOR_BACKENDS_TOO_FEW')) throw error;
    }
    await this.#collector.collect(signal);
  }

  async close(): Promise<void> {
    await Promise.all([this.#tasks.close(), this.#collector.close(), this.keeper.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #payOwed(signal: AbortSignal | undefined): Promise<void> {
    const { tables, manifestOf, policy } = this.#o;
    if (!tables.isServing) return;
    for (const versionId of tables.read((db) => this.#writer.owed(db, tables.epoch))) {
      signal?.throwIfAborted();
      const known = (): Manifest | undefined => tables.read((db) => manifestOf(db, versionId));
      let manifest = known();
      while (manifest !== undefined) {
        await this.#writer.write(manifest, policy);
        const now = known();
        // It went meanwhile: what was just written may have come after its removal.
        if (now === undefined) await tables.write((db) => releaseManifest(db, versionId));
        else if (isSameManifest(manifest, now)) break;
        manifest = now;
      }
      this.#writer.settle(versionId);
    }
  }
}
