import type { HubClient } from '@commongrid/flist';
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
