import { resolve } from 'node:path';

import { GridError, isGridError, systemRandom } from '@commongrid/base';
import { buildContract, loadContract } from '@commongrid/contract';
import type { BuildParties, BuiltContract, DraftFile } from '@commongrid/contract';
import type { BcdbClient } from '@commongrid/bcdb/client';
import type { BotId, KeyText, RecordOf, SealingKeyText } from '@commongrid/model';
import { checkRole } from '@commongrid/node';

import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { readLogFacts } from '../../node/log-facts.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { digestOf, readingClient } from '../hub/hub-client.ts';
import { ownedGrid } from '../node/farm.ts';

export type ContractOptions = ServerOptions & { readonly hub?: string };

/** A contract of a file, and its secrets where it was built just now. */
export type ReadContract = Pick<DraftFile, 'id' | 'header' | 'openings' | 'shards'> & {
  readonly built: BuiltContract | undefined;
};

/** Reads a contract that was built, or builds one for the owner that the options say. */
export async function readContract(
  context: CommandContext,
  options: ContractOptions,
  path: string,
  draw: BuildParties['draw'] = (count) => systemRandom.bytes(count),
): Promise<ReadContract> {
  const loaded = await loadContract(resolve(path));
  if (loaded.is === 'draft') return { ...loaded.draft, built: undefined };
  if (loaded.printed !== '') context.terminal.note(loaded.printed.trimEnd());
  const { client, grid, trust } = await ownedGrid(context, options);
  const { at } = await readLogFacts(client, trust.log);
  const built = await buildContract(loaded.value, {
    ...{ log: trust.log, owner: grid.owner, controller: grid.owner, at },
    ...{ folder: loaded.folder, draw, checkRole },
    resolveImage: (name) => resolveImage(context, options, name),
    findBot: (name) => findBot(client, name),
    findSeal: (key) => findSeal(client, key as KeyText),
  });
  const { id, header, openings } = built.draft;
  return { id, header, openings, shards: Object.fromEntries(built.shards), built };
}

/** Where the secrets of a built contract are: beside it. */
export function secretsFileOf(path: string): string {
  return path.replace(/\.json$/, '.secrets.json');
}

/** Reads a contract that was built. @throws GRID_USAGE, and what `loadContract` throws */
export async function readBuilt(path: string): Promise<DraftFile> {
  const loaded = await loadContract(resolve(path));
  if (loaded.is === 'draft') return loaded.draft;
  throw new GridError<GridErrorCode>('GRID_USAGE', `${path} is not built yet`, {
    hint: `grid contract build ${path} --output FILE.json`,
  });
}

/** A name of the hub of the owner, unless it says another user. */
export async function resolveImage(
  context: CommandContext,
  { hub }: ContractOptions,
  name: string,
): Promise<string> {
  const { client } = await readingClient(context, hub === undefined ? {} : { url: hub });
  return digestOf(client, name);
}

async function findBot(client: BcdbClient, name: string): Promise<BotId | undefined> {
  if (name.startsWith('bot:')) return (await botRecord(client, name))?.id;
  const where = { field: 'name', op: 'eq', value: name } as const;
  const { objects } = await client.find('grid', { url: 'grid.bot.1', where });
  return objects[0]?.obj as BotId | undefined;
}

async function findSeal(client: BcdbClient, key: KeyText): Promise<SealingKeyText | undefined> {
  const path = `/v1/keys/${encodeURIComponent(key)}`;
  const { bot } = await client.read<{ readonly bot?: { readonly id: string } }>(path);
  const record = bot && (await botRecord(client, bot.id));
  return record?.keys.find((one) => one.key === key && one.ended === undefined)?.seal;
}

async function botRecord(
  client: BcdbClient,
  id: string,
): Promise<RecordOf<'grid.bot.1'> | undefined> {
  try {
    return (await client.get('grid', 'grid.bot.1', id)).value as RecordOf<'grid.bot.1'> | undefined;
  } catch (error) {
    if (isGridError(error, 'BCDB_NOT_FOUND')) return undefined;
    throw error;
  }
}
