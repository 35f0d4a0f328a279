import { createLogger, GridError } from '@commongrid/base';
import type { ContractPaper } from '@commongrid/contract';
import type { SigningKey } from '@commongrid/crypto';
import type { Contract, ContractId } from '@commongrid/model';

import type { CommandContext } from '../command-context.ts';
import type { ServerOptions } from '../commands/bcdb/connection.ts';
import type { BotFolder } from '../commands/bot/bot-folder.ts';
import type { OwnedConnection } from '../commands/node/farm.ts';
import { withFeedOf } from '../commands/own-feed.ts';
import type { GridErrorCode } from '../errors.ts';
import { GridHome } from '../home.ts';
import { readKeyFile } from '../key-file.ts';
import { BotGrid } from './bot-grid.ts';
import type { AtLog } from './bot-grid.ts';
import { handOver, isControlledBy, isRunning, standingAt } from './bots-here.ts';
import type { ContractStanding } from './contracts-actor.ts';
import { ContractsDesk } from './contracts-desk.ts';
import { readPaper } from './kept-contracts.ts';
import type { GivenContract } from './kept-contracts.ts';

/** Whoever places a contract once it is agreed. */
export interface ContractKeeper {
  adopt(given: GivenContract): Promise<void>;
  standing(id: ContractId): Promise<ContractStanding>;
}

/** As whom a command acts, and for which contracts. */
export interface KeeperOptions {
  readonly options: ServerOptions;
  readonly owned: OwnedConnection;
  /** The owner's bot of this machine, whether it runs or not. */
  readonly bot: BotFolder | undefined;
  /** Of the contract, where it is made already. */
  readonly header?: Pick<Contract, 'controllers'>;
}

/**
 * Does something with whoever controls contracts of an owner: the owner's bot where it runs on this
 * machine, else the same controller within this command, until the work is done.
 */
export async function withKeeper<T>(
  context: CommandContext,
  { options, owned, bot, header }: KeeperOptions,
  work: (keeper: ContractKeeper) => Promise<T>,
): Promise<T> {
  if (bot !== undefined && (await isRunning(bot))) {
    if (header === undefined || (await isControlledBy(header, bot))) {
      return work({
        adopt: async (given) => void (await handOver(bot, given)),
        standing: (id) => standingAt(bot, id),
      });
    }
  }
  return withFeedOf(context, options, owned, async (feed) => {
    await using stack = new AsyncDisposableStack();
    const key = await signingKey(context.environment.home, owned);
    const logger = createLogger('controller', { level: context.environment.logLevel });
    const atLog: AtLog = (act, signal) => act(feed.client, signal);
    const grid = stack.use(await BotGrid.open({ ...feed, url: owned.url, key, logger, atLog }));
    const papers = new Map<ContractId, ContractPaper>();
    const desk = stack.use(
      ContractsDesk.open({
        ...{ grid, logger },
        papers: { ids: () => [...papers.keys()], of: (id) => papers.get(id) },
      }),
    );
    // Awaited here: what it works with ends with this block.
    return await work({
      adopt: async (given) => {
        // The bot that does not run now heals it later.
        if (bot !== undefined) await handOver(bot, given);
        const paper = readPaper(given);
        papers.set(paper.draft.id, paper);
        desk.look();
      },
      standing: async (id) => desk.standingOf(id),
    });
  });
}

/** The key that acts here, itself: leases are held by it. @throws GRID_KEY_MISSING */
async function signingKey(home: string, { key, grid }: OwnedConnection): Promise<SigningKey> {
  if (key !== undefined) return key;
  const own = await readKeyFile(new GridHome(home).ownerKeyFile);
  if (own.publicKey.text === grid.key) return own;
  throw new GridError<GridErrorCode>('GRID_KEY_MISSING', 'who places contracts needs a key', {
    hint: 'give --key-file with a key of the owner, or --bot; a token places nothing',
  });
}
