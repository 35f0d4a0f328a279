import { resolve } from 'node:path';

import { GridError, isGridError } from '@commongrid/base';
import type { ChunkSource, Flist, FlistDigest } from '@commongrid/flist';

import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { digestOf } from '../hub/hub-client.ts';
import { ImageStore } from './image-store.ts';
import type { StoreOptions } from './image-store.ts';
import { findFlist } from './local-repository.ts';
import { hubOrigin, hubSource } from './source-text.ts';

/** An flist that a command was asked about, of this machine or a hub. */
export interface FoundImage {
  readonly digest: FlistDigest;
  readonly flist: Flist;
  /** Where it is as a file, or the bytes of one. */
  readonly at: { readonly path: string } | { readonly packed: Buffer };
  /** Gives its chunks. */
  readonly chunks: ChunkSource;
}

/** What people are told that they can give. */
export const flistArgument = 'its digest, the beginning of it, a file, or a name of a hub';

/** Tries of a request: the next hub may know the image, too. */
const triesMax = 2;

/**
 * Looks for an image in the repository, then at the hubs among the sources of the store, in their
 * order. What a hub has is fetched without its content.
 * @param name a digest, the beginning of one, a file, or a name of a hub; what is its owner's needs
 *   no USER/
 * @throws GRID_FLIST_UNKNOWN, GRID_FLIST_AMBIGUOUS, and what is wrong with a file
 */
export async function findImage(
  context: CommandContext,
  options: StoreOptions,
  name: string,
): Promise<FoundImage> {
  try {
    const { digest, flist, reader } = await findFlist(context, options, name);
    const path = name.endsWith('.flist') ? name : reader.flistPath(digest);
    return { digest, flist, at: { path: resolve(path) }, chunks: reader };
  } catch (error) {
    if (!isGridError(error, 'GRID_FLIST_UNKNOWN')) throw error;
    return findAtHubs(context, options, name, error);
  }
}

async function findAtHubs(
  context: CommandContext,
  options: StoreOptions,
  name: string,
  missing: GridError,
): Promise<FoundImage> {
  const asked: string[] = [];
  for (const origin of await hubsOf(context, options)) {
    try {
      const found = await findAtHub(origin, name);
      if (found !== undefined) return found;
      asked.push(`nor at ${origin}`);
    } catch (error) {
      if (!isGridError(error, 'HUB_UNREACHABLE')) throw error;
      asked.push(`and ${origin} does not answer`);
    }
  }
  throw unknown(missing, asked);
}

async function hubsOf(context: CommandContext, options: StoreOptions): Promise<readonly string[]> {
  const sources = await new ImageStore(context, options).sources();
  return sources.flatMap((source) => hubOrigin(source) ?? []);
}

async function findAtHub(origin: string, name: string): Promise<FoundImage | undefined> {
  const {
    decodeFlist,
    HubClient: Client,
    HttpSource,
    unpackFlist,
  } = await import('@commongrid/flist');
  const client = new Client({ url: origin, triesMax });
  try {
    const digest = await digestOf(client, name);
    const packed = await client.flist(digest);
    const flist = decodeFlist(await unpackFlist(packed));
    return { digest, flist, at: { packed }, chunks: new HttpSource(hubSource(origin)) };
  } catch (error) {
    if (isGridError(error, 'HUB_NOT_FOUND') || isGridError(error, 'HUB_NAME_INVALID')) {
      return undefined;
    }
    throw error;
  }
}

function unknown(
  { message, details, hint }: GridError,
  asked: readonly string[],
): GridError<GridErrorCode> {
  const hubs = asked.length === 0 ? 'no hub is among the sources' : asked.join(', ');
  return new GridError<GridErrorCode>('GRID_FLIST_UNKNOWN', `${message}, ${hubs}`, {
    hint: `${hint}, grid hub ls lists them`,
    details: { ...details, hubs: [...asked] },
  });
}
