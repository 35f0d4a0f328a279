import type { HubClient } from '@commongrid/flist';
import type { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { GridHome } from '../../home.ts';
import { readKeyFile } from '../../key-file.ts';
import { flistSubcommand } from '../flist/local-repository.ts';
import type { FlistOptions } from '../flist/local-repository.ts';

/** Which hub a command talks to, and as whom. */
export type HubOptions = FlistOptions & {
  readonly url: string;
  readonly keyFile?: string;
};

const usualUrl = 'http://127.0.0.1:9100';

/** A command that asks a hub. */
export function hubSubcommand(name: string, description: string): Command {
  return flistSubcommand(name, description)
    .option('--url <origin>', 'of the hub', usualUrl)
    .option('--key-file <file>', 'signs changes; default: the key of the owner of the grid');
}

/** A client that only reads. */
export async function readingClient({ url }: HubOptions): Promise<HubClient> {
  const { HubClient: Client } = await import('@commongrid/flist');
  return new Client({ url });
}

/** A client that may change what its user has. @throws GRID_KEY_UNREADABLE */
export async function signingClient(
  { environment }: CommandContext,
  { url, keyFile }: HubOptions,
): Promise<HubClient> {
  const { HubClient: Client } = await import('@commongrid/flist');
  const key = await readKeyFile(keyFile ?? new GridHome(environment.home).ownerKeyFile);
  return new Client({ url, key });
}
