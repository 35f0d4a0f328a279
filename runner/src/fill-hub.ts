import { isGridError } from '@commongrid/base';
import type { FlistDigest, HubClient } from '@commongrid/flist';

import { findStaticBusybox, makeBaseImage } from './base-image.ts';
import type { GridHome } from './home.ts';
import { readKeyFile } from './key-file.ts';

/** The image that a hub of `grid up` begins with, so that something runs without a network. */
export interface FilledHub {
  readonly image: { readonly name: string; readonly digest: FlistDigest } | undefined;
  /** Why there is no image. */
  readonly lack: string | undefined;
}

/** Its name, behind that of the owner. */
const baseName = 'base';
const description = 'A busybox of this machine, with nothing else.';
const hubTimeoutMs = 20_000;

/**
 * Brings the base image to the hub of a grid, signed by its owner, where its name is not there yet.
 * A grid is up without it: what goes wrong is told, not thrown.
 */
export async function fillHub(
  home: GridHome,
  url: string,
  busybox = findStaticBusybox,
): Promise<FilledHub> {
  try {
    const { HubClient: Client } = await import('@commongrid/flist');
    const key = await readKeyFile(home.ownerKeyFile);
    return await fill(new Client({ url, key, timeoutMs: hubTimeoutMs }), busybox);
  } catch (error) {
    if (isGridError(error, 'HUB_NOT_FOUND'))
      return lacking('the phonebook does not know the owner');
    if (isGridError(error)) return lacking(`${error.code}: ${error.message}`);
    return lacking(error instanceof Error ? error.message : String(error));
  }
}

async function fill(client: HubClient, findBusybox: typeof findStaticBusybox): Promise<FilledHub> {
  const name = `${await client.owner()}/${baseName}`;
  const there = await named(client, name);
  if (there !== undefined) return { image: { name, digest: there }, lack: undefined };
  const busybox = await findBusybox();
  if (busybox === undefined) {
    return lacking(
      'it is made of a static busybox: apt-get install busybox-static, then ./grid up',
    );
  }
  const { digest, source } = await makeBaseImage(busybox);
  await client.upload(digest, source);
  await client.sign(digest);
  // Last: who finds the name finds all of it.
  await client.name(name, digest);
  await client.describe(name, { description, labels: {} });
  return { image: { name, digest }, lack: undefined };
}

async function named(client: HubClient, name: string): Promise<FlistDigest | undefined> {
  try {
    return (await client.resolve(name)).digest;
  } catch (error) {
    if (isGridError(error, 'HUB_NOT_FOUND')) return undefined;
    throw error;
  }
}

function lacking(lack: string): FilledHub {
  return { image: undefined, lack };
}
