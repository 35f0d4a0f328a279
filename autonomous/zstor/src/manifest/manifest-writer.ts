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
  write(manifest: Manifest, policy: PlacementRules): Promise<void> {
    const { key, backends } = this.#o;
    const { versionId } = manifest;
    const values = sealManifest(key, manifest).map((value, part) => {
      return [manifestKey(versionId, part), value] as const;
    });
    return writeCopies(backends, { id: versionId, values: new Map(values) }, policy);
  }
}

/**
 * Writes values to m + 1 nodes, the same ones for all. Resolves when they have them on disk, or when all
 * have where there are fewer.
 * @throws ZSTOR_BACKENDS_TOO_FEW
 */
export async function writeCopies(
  backends: Backends,
  { id, values }: { readonly id: Uint8Array; readonly values: ReadonlyMap<Buffer, Buffer> },
  policy: PlacementRules,
): Promise<void> {
  const rules = { ...policy, dataShards: 1 };
  const placement = placeCopies(id, candidatesOf(backends), rules);
  const spreads = [...values].map(([key, value]) => {
    return new ShardSpread({
      ...{ backends, rules, placement, kind: 'copied', chunkId: id },
      keyOf: () => key,
      valueOf: () => value,
    });
  });
  await Promise.all(spreads.map(({ survivable }) => survivable));
}
