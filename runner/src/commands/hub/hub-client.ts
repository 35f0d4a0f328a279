import type { FlistDigest, HubClient, HubPage, PageQuery } from '@commongrid/flist';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { GridHome } from '../../home.ts';
import { readKeyFile } from '../../key-file.ts';
import { ownHubUrl, usualHubUrl } from '../../own-hub.ts';
import { flistSubcommand } from '../flist/local-repository.ts';
import type { FlistOptions } from '../flist/local-repository.ts';

/** Which hub a command talks to, and as whom. */
export type HubOptions = FlistOptions & {
  readonly url?: string;
  readonly keyFile?: string;
};

/** A command that asks a hub. */
export function hubSubcommand(name: string, description: string): Command {
  return flistSubcommand(name, description)
    .option('--url <origin>', 'of the hub; default: the one that `grid up` started', parseOrigin)
    .option('--key-file <file>', 'signs changes; default: the key of the owner of the grid');
}

function parseOrigin(text: string): string {
  const url = URL.parse(text);
  const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (isWeb && url.pathname === '/' && url.search === '') return url.origin;
  throw new InvalidArgumentError('give an address such as http://127.0.0.1:9100');
}

/** How an image of a hub can be named. */
export const imageArgument =
  "a digest, USER/NAME or USER/NAME:TAG; what is the owner's needs no USER/";

/** What a name leads to, or the digest itself. */
export async function digestOf(client: HubClient, name: string): Promise<FlistDigest> {
  const { hubReferenceText, parseFlistDigest, parseHubReference } =
    await import('@commongrid/flist');
  const digest = parseFlistDigest(name);
  if (digest !== undefined) return digest;
  // Before anything is asked: what cannot be a name is none.
  const reference = parseHubReference(name.includes('/') ? name : `owner/${name}`);
  const whole = name.includes('/') ? reference : { ...reference, user: await client.owner() };
  return (await client.resolve(hubReferenceText(whole))).digest;
}

/** All parts of a list. */
export async function wholeList<T>(
  ask: (page: PageQuery) => Promise<HubPage<T>>,
): Promise<readonly T[]> {
  const all: T[] = [];
  for (let after: string | undefined; ;) {
    const { items, next } = await ask({
      limit: pageItems,
      ...(after === undefined ? {} : { after }),
    });
    all.push(...items);
    if (next === undefined) return all;
    after = next;
  }
}

/** Items of a part of a list: the most that a hub gives. */
const pageItems = 1_000;

/** A client, and the hub that it talks to. */
export interface HubConnection {
  readonly client: HubClient;
  readonly url: string;
}

/** A client that only reads. */
export async function readingClient(
  context: CommandContext,
  options: HubOptions,
): Promise<HubConnection> {
  const { HubClient: Client } = await import('@commongrid/flist');
  const url = await urlOf(context, options);
  return { client: new Client({ url }), url };
}

/** A client that may change what its user has. @throws GRID_KEY_UNREADABLE */
export async function signingClient(
  context: CommandContext,
  options: HubOptions,
): Promise<HubConnection & { readonly key: string }> {
  const { HubClient: Client } = await import('@commongrid/flist');
  const home = new GridHome(context.environment.home);
  const key = await readKeyFile(options.keyFile ?? home.ownerKeyFile);
  const url = await urlOf(context, options);
  return { client: new Client({ url, key }), url, key: key.publicKey.text };
}

async function urlOf(context: CommandContext, { url }: HubOptions): Promise<string> {
  return url ?? (await ownHubUrl(context.environment.home)) ?? usualHubUrl;
}
