import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { GridError } from '@commongrid/base';
import type {
  ChunkSource,
  FlistErrorCode,
  PackedChunk,
  PluggedSource,
  ServiceSource,
} from '@commongrid/flist';
import type { Stor } from '@commongrid/zstor';

import { usualShape, usualShards } from './commands/zstor/store.ts';
import type { Shards } from './commands/zstor/store.ts';
import { ZstorSource } from './zstor-source.ts';

/** A source that takes chunks, too. */
export type FilledSource = ChunkSource & {
  put(chunk: PackedChunk, signal?: AbortSignal): Promise<void>;
};

/** What a Zero-Stor is opened for. Default: to read what is there. */
export interface StoreUse {
  /** Makes the store where there is none. */
  readonly canBegin?: boolean;
  /** Of what is put. */
  readonly shards?: Shards;
}

/**
 * Opens a source of a kind that flists know nothing of: a Zero-Stor, with the first use of it.
 * @throws FLIST_SERVICE_CONFIG_INVALID for any other
 */
export function openPlugged({ kind, options }: PluggedSource, use: StoreUse = {}): ZstorSource {
  const { data, backends } = options;
  if (kind !== 'zstor' || data === undefined || backends === undefined) throw unfit(kind);
  const { keyFile } = options;
  return new ZstorSource({
    name: `zstor:${data}`,
    open: (signal) =>
      openStorage({ data, backends, ...(keyFile === undefined ? {} : { keyFile }) }, use, signal),
  });
}

/** Where a Zero-Stor is. */
export interface StoragePlace {
  /** Folder of its tables. */
  readonly data: string;
  /** File that names its Zero-DBs. */
  readonly backends: string;
  /** Default: `key` in the folder. */
  readonly keyFile?: string;
}

/** Opens a Zero-Stor for what is packed already. */
export async function openStorage(
  { data, backends, keyFile = join(data, 'key') }: StoragePlace,
  { canBegin = false, shards = usualShards }: StoreUse,
  signal: AbortSignal,
): Promise<Stor> {
  const { checkPolicy, Stor: Store } = await import('@commongrid/zstor');
  const policy = checkPolicy({ ...usualShape, ...shards, compression: 'none' });
  const files = { folder: data, backendsFile: backends, keyFile };
  return Store.open({ ...files, policy, canBegin, signal });
}

/** A source that takes chunks; undefined for one that is filled in another way. */
export async function openFilled(
  source: ServiceSource,
  use: StoreUse,
): Promise<FilledSource | undefined> {
  if ('kind' in source) return openPlugged(source, use);
  if (!('zdb' in source)) return undefined;
  const { ZdbSource } = await import('@commongrid/flist');
  const { passwordFile, ...place } = source.zdb;
  if (passwordFile === undefined) return new ZdbSource(place);
  const password = (await readFile(passwordFile, 'utf8')).trim();
  return new ZdbSource({ ...place, password });
}

function unfit(kind: string): GridError<FlistErrorCode> {
  const message = `a source of kind ${kind} cannot be opened with what service.json says of it`;
  return new GridError('FLIST_SERVICE_CONFIG_INVALID', message, {
    hint: 'take it off, and on again: grid flist sources remove',
  });
}
