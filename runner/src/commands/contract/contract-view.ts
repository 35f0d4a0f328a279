import assert from 'node:assert/strict';

import { FollowedGrid } from '@commongrid/bcdb/client';
import type { BcdbClient } from '@commongrid/bcdb/client';
import { contractStatus } from '@commongrid/contract';
import type { ContractStatus } from '@commongrid/contract';
import { contractIdOf, successorOf } from '@commongrid/model';
import type { BotId, Contract, ContractId, GridFold, Moment } from '@commongrid/model';

import type { CommandContext } from '../../command-context.ts';
import { contractCalled } from '../../node/owned-grid.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { withOwnFeed } from '../own-feed.ts';
import type { OwnFeed } from '../own-feed.ts';

/** What a bot knows of the contracts that it takes part in, verified by its feed. */
export interface ContractView {
  readonly bot: BotId;
  readonly client: BcdbClient;
  readonly log: string;
  /** Where it comes from. */
  readonly feed: OwnFeed;
  readonly fold: GridFold;
  /** Up to where the view goes. */
  readonly now: Moment;
  /** The same, with all that was said since. */
  again(): Promise<Pick<ContractView, 'fold' | 'now'>>;
}

/** A contract whose header is in the log. */
export interface KnownContract {
  readonly id: ContractId;
  readonly header: Contract;
}

export function withContractView<T>(
  context: CommandContext,
  options: ServerOptions,
  work: (view: ContractView) => Promise<T>,
): Promise<T> {
  return withOwnFeed(context, options, async (feed) => {
    await using grid = await FollowedGrid.open({ ...feed, reader: feed.bot });
    const look = async (): Promise<Pick<ContractView, 'fold' | 'now'>> => {
      const { fold, at } = await grid.now();
      return { fold, now: { seq: Number.MAX_SAFE_INTEGER, at } };
    };
    const { bot, client, trust } = feed;
    return await work({ bot, client, feed, log: trust.log, again: look, ...(await look()) });
  });
}

/** Contracts that the bot owns, signs or controls. */
export function contractsIn(fold: GridFold): readonly KnownContract[] {
  const headers = [...fold.objects('grid.contract.1')];
  return headers.map((header) => ({ id: contractIdOf(header), header }));
}

/**
 * Of those of one name the one that is not closed yet, and has not handed over to another one that is not.
 * @param name or id
 * @throws GRID_CONTRACT_UNKNOWN, GRID_NAME_AMBIGUOUS
 */
export function contractIn(view: Pick<ContractView, 'fold' | 'now'>, name: string): KnownContract {
  const all = contractsIn(view.fold).filter(({ id, header }) => [id, header.name].includes(name));
  const open = all.filter(({ id }) => statusIn(view, id).phase !== 'closed');
  const ids = new Set<string>(open.map(({ id }) => id));
  const newest = open.filter(({ id }) => !ids.has(successorOf(view.fold, id) ?? ''));
  const found = [newest, open].find((some) => some.length > 0) ?? all;
  return contractCalled(found, name);
}

export function statusIn(
  { fold, now }: Pick<ContractView, 'fold' | 'now'>,
  id: ContractId,
): ContractStatus {
  const status = contractStatus(fold, id, now);
  assert(status !== undefined, 'a contract whose header is accepted has a state');
  return status;
}

/** The name of a bot where the view has one, else its id. */
export function botName(fold: GridFold, id: BotId): string {
  return fold.bot(id)?.names.at(-1) ?? id;
}
