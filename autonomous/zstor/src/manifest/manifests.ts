import { isGridError } from '@commongrid/base';
import type { StoragePolicy } from '../blob/blob-writer.ts';
import type { ZstorErrorCode } from '../errors.ts';
import type { Manifest } from './manifest.ts';
import { ManifestCollector } from './manifest-collector.ts';
import { ManifestKeeper } from './manifest-keeper.ts';
import type { ManifestKeeperOptions } from './manifest-keeper.ts';
import { releaseManifest } from './manifest-tables.ts';
import { ManifestWriter } from './manifest-writer.ts';

export interface ManifestsOptions extends ManifestKeeperOptions {
  /** Of the store; seals all manifests. */
  readonly key: Uint8Array;
}

/** The manifests of a store: each is there before its version is known, and goes after it. */
export class Manifests implements AsyncDisposable {
  readonly #o: ManifestsOptions;
  readonly #writer: ManifestWriter;
  readonly #collector: ManifestCollector;
  /** Sees to it that there are copies enough. */
  readonly keeper: ManifestKeeper;

  constructor(options: ManifestsOptions) {
    this.#o = options;
    this.#writer = new ManifestWriter(options);
    this.#collector = new ManifestCollector(options);
    this.keeper = new ManifestKeeper(options);
  }

  /** In the place of the one before. @throws ZSTOR_BACKENDS_TOO_FEW */
  write(manifest: Manifest, policy: StoragePolicy): Promise<void> {
    return this.#writer.write(manifest, policy);
  }

  /**
   * Writes a manifest, and has `change` make its version known. When that is refused the manifest is
   * taken back before this rejects: a rebuild must not bring back what a client was refused.
   * @throws ZSTOR_BACKENDS_TOO_FEW, and what `change` throws
   */
  async writeWith<T>(
    manifest: Manifest,
    change: () => Promise<T>,
    policy: StoragePolicy,
  ): Promise<T> {
    await this.#writer.write(manifest, policy);
    try {
      return await change();
    } catch (error) {
      // What is not known to be refused may be there.
      if (isGridError<ZstorErrorCode>(error, 'ZSTOR_CATALOG_RESULT_UNKNOWN')) throw error;
      // When this fails it is told instead: then the version may come to be.
      await this.#o.tables.write((db) => releaseManifest(db, manifest.versionId));
      this.#collector.collectSoon();
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#collector.close(), this.keeper.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
