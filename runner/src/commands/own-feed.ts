import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { HttpLightSource } from '@commongrid/bcdb/client';
import type { BcdbClient, FollowedGridOptions } from '@commongrid/bcdb/client';
import type { BotId } from '@commongrid/model';

import type { CommandContext } from '../command-context.ts';
import { GridHome } from '../home.ts';
import { readLogFacts } from '../node/log-facts.ts';
import type { ServerOptions } from './bcdb/connection.ts';
import { ownedGrid } from './node/farm.ts';
import type { OwnedConnection } from './node/farm.ts';
import { readSecret } from './zdb/connection.ts';

/** The feed of the bot that a command acts for. */
export interface OwnFeed extends Omit<FollowedGridOptions, 'reader'> {
  readonly client: BcdbClient;
  readonly bot: BotId;
}

/**
 * Does something by the feed of the bot. It is read anew each time: two commands at once would share a
 * follower's folder.
 */
export async function withOwnFeed<T>(
  context: CommandContext,
  options: ServerOptions,
  work: (feed: OwnFeed) => Promise<T>,
): Promise<T> {
  return withFeedOf(context, options, await ownedGrid(context, options), work);
}

/** The same by a connection that is there already: only one may write with its key. */
export async function withFeedOf<T>(
  context: CommandContext,
  options: ServerOptions,
  { client, url, trust, key, grid }: OwnedConnection,
  work: (feed: OwnFeed) => Promise<T>,
): Promise<T> {
  const { releaseKeys } = await readLogFacts(client, trust.log);
  const home = new GridHome(context.environment.home);
  const who =
    key === undefined
      ? { token: await readSecret(options.tokenFile ?? home.ownerTokenFile) }
      : { key };
  const source = new HttpLightSource({ url, log: trust.log, ...who });
  const folder = await mkdtemp(join(tmpdir(), 'grid-feed-'));
  try {
    return await work({ folder, client, source, trust, releaseKeys, bot: grid.owner });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
