import type { Backend } from '../backends/backend.ts';
import { keyPages } from '../backends/key-pages.ts';
import type { Backends } from '../blob/shard-spread.ts';
import { manifestKey, openManifestPart, parseManifest, versionIdIn } from './manifest.ts';
import type { Manifest, ManifestPart } from './manifest.ts';
import { isGridError } from '@commongrid/base';

export interface ManifestReaderOptions {
  readonly backends: Backends;
  /** Of the store; opens all manifests. */
  readonly key: Uint8Array;
  /** Hears of manifests of which no whole copy was found. */
  readonly onDamaged?: (versionId: Buffer) => void;
}

/**
 * All manifests that the backends have which answer, each once, in no order. Ids of versions that were
 * read are remembered until the end: 100 bytes for each.
 * @param isWanted those for which it is false are not read
 */
export async function* readManifests(
  { backends, key, onDamaged }: ManifestReaderOptions,
  isWanted: (versionId: Buffer) => boolean,
): AsyncGenerator<Manifest, void> {
  const read = new Set<string>();
  const damaged = new Map<string, Buffer>();
  for (const backend of backends.all) {
    if (backend.state !== 'healthy') continue;
    for await (const page of keyPages(backend, 'M')) {
      for (const { key: itsKey } of page) {
        const versionId = versionIdIn(itsKey);
        const name = versionId?.toString('hex') ?? '';
        if (versionId === undefined || read.has(name) || !isWanted(versionId)) continue;
        const manifest = await readOne({ backends, key }, backend, versionId);
        if (manifest === undefined) {
          damaged.set(name, versionId);
          continue;
        }
        read.add(name);
        damaged.delete(name);
        yield manifest;
      }
    }
  }
  for (const versionId of damaged.values()) onDamaged?.(versionId);
}

async function readOne(
  { backends, key }: Pick<ManifestReaderOptions, 'backends' | 'key'>,
  first: Backend,
  versionId: Buffer,
): Promise<Manifest | undefined> {
  const others = backends.all.filter((backend) => backend !== first);
  const found: ManifestPart[] = [];
  for (let part = 0, parts = 1; part < parts; part++) {
    const next = await findPart([first, ...others], key, versionId, part, found[0]?.format);
    if (next === undefined) return undefined;
    parts = next.parts;
    found.push(next);
  }
  return parseManifest(versionId, found);
}

async function findPart(
  backends: readonly Backend[],
  key: Uint8Array,
  versionId: Buffer,
  part: number,
  format: number | undefined,
): Promise<ManifestPart | undefined> {
  for (const backend of backends) {
    try {
      const value = await backend.get(manifestKey(versionId, part), 2 ** 20);
      const opened = value && openManifestPart(key, versionId, value);
      const isWanted = opened?.part === part && opened.format === (format ?? opened.format);
      if (isWanted) return opened;
    } catch (error) {
      if (!isGridError(error)) throw error;
    }
  }
  return undefined;
}
