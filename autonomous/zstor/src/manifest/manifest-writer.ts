import { candidatesOf, ShardSpread } from '../blob/shard-spread.ts';
import type { Backends } from '../blob/shard-spread.ts';
import { placeCopies } from '../placement/place-shards.ts';
import type { PlacementRules } from '../placement/placement-rules.ts';
import { manifestKey, sealManifest } from './manifest.ts';
import type { Manifest } from './manifest.ts';

export interface ManifestWriterOptions {
  readonly backends: Backends;
  /** Of the store; seals all manifests. */
  readonly key: Uint8Array;
}

/** Writes manifests to as many nodes as may be lost, and one more. */
export class ManifestWriter {
  readonly #o: ManifestWriterOptions;

  constructor(options: ManifestWriterOptions) {
    this.#o = options;
  }

  /**
   * Resolves when m + 1 nodes have it on disk, or all where there are fewer.
   * @throws ZSTOR_BACKENDS_TOO_FEW
   */
  async write(manifest: Manifest, policy: PlacementRules): Promise<void> {
    const { key, backends } = this.#o;
    const { versionId } = manifest;
    const rules = { ...policy, dataShards: 1 };
    const values = sealManifest(key, manifest);
    const candidates = candidatesOf(backends);
    const placement = placeCopies(versionId, candidates, rules);
    const spreads = values.map((value, part) => {
      const partKey = manifestKey(versionId, part);
      return new ShardSpread({
        ...{ backends, rules, placement, kind: 'copied', chunkId: versionId },
        keyOf: () => partKey,
        valueOf: () => value,
      });
    });
    await Promise.all(spreads.map(({ survivable }) => survivable));
  }
}
