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

/** Manifests that are written together. */
const batchManifestsMax = 64;

interface Waiting {
  readonly manifest: Manifest;
  readonly policy: PlacementRules;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes manifests to as many nodes as may be lost, and one more. Those that come while others are on
 * their way go together, to the same nodes: one sync of a disk is enough for all of them.
 */
export class ManifestWriter {
  readonly #o: ManifestWriterOptions;
  readonly #waiting: Waiting[] = [];
  #isWriting = false;

  constructor(options: ManifestWriterOptions) {
    this.#o = options;
  }

  /**
   * Resolves when m + 1 nodes have it on disk, or all where there are fewer.
   * @throws ZSTOR_BACKENDS_TOO_FEW
   */
  write(manifest: Manifest, policy: PlacementRules): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ manifest, policy, resolve, reject });
      if (!this.#isWriting) setImmediate(() => void this.#drain());
      this.#isWriting = true;
    });
  }

  async #drain(): Promise<void> {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined) break;
      const { policy } = first;
      const others = this.#waiting.findIndex((each) => each.policy !== policy);
      const count = others < 0 ? batchManifestsMax : Math.min(others, batchManifestsMax);
      await this.#writeAll(this.#waiting.splice(0, count), policy);
    }
    this.#isWriting = false;
  }

  async #writeAll(batch: readonly Waiting[], policy: PlacementRules): Promise<void> {
    try {
      const { key, backends } = this.#o;
      const values = new Map<Buffer, Buffer>();
      for (const { manifest } of batch) {
        for (const [part, value] of sealManifest(key, manifest).entries()) {
          values.set(manifestKey(manifest.versionId, part), value);
        }
      }
      const id = batch[0]?.manifest.versionId ?? new Uint8Array();
      await writeCopies(backends, { id, values }, policy);
      for (const { resolve } of batch) resolve();
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
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
