import { FollowedGrid } from '@commongrid/bcdb/client';
import { GridError } from '@commongrid/base';
import type { ContractPhase } from '@commongrid/contract';
import type { ContractId } from '@commongrid/model';

import type { CommandContext } from '../command-context.ts';
import type { GridErrorCode } from '../errors.ts';
import { signRemoval } from '../node/deploy.ts';
import { contractCalled } from '../node/owned-grid.ts';
import type { ServerOptions } from './bcdb/connection.ts';
import { contractsIn, statusIn } from './contract/contract-view.ts';
import type { OwnedConnection } from './node/farm.ts';
import { withFeedOf } from './own-feed.ts';

/** Phases in which nothing of a contract was ever placed. */
const early: ReadonlySet<ContractPhase> = new Set([
  ...(['proposed', 'signing', 'agreed', 'locked', 'funded'] as const),
]);

/**
 * Ends a contract of the owner of which nothing was placed yet: nothing of it will be.
 * @param name or id
 * @throws GRID_CONTRACT_UNKNOWN, GRID_NAME_AMBIGUOUS, GRID_DEPLOY_BLOCKED where others have to agree
 */
export function endUnplaced(
  context: CommandContext,
  options: ServerOptions,
  owned: OwnedConnection,
  name: string,
): Promise<ContractId> {
  return withFeedOf(context, options, owned, async (feed) => {
    const { client, bot, trust } = feed;
    await using grid = await FollowedGrid.open({ ...feed, reader: bot });
    const phaseOf = async (contract: ContractId): Promise<ContractPhase> =>
      statusIn(await viewOf(grid), contract).phase;
    const { fold, now } = await viewOf(grid);
    const unplaced = contractsIn(fold).filter(({ id, header }) => {
      return header.owner === bot && early.has(statusIn({ fold, now }, id).phase);
    });
    const { id } = contractCalled(unplaced, name);
    await signRemoval(id, { client, log: trust.log, owner: bot, at: now.at });
    if ((await phaseOf(id)) === 'closed') return id;
    throw new GridError<GridErrorCode>('GRID_DEPLOY_BLOCKED', 'others have to agree to its end', {
      hint: `who they are: grid contract show ${id}`,
      details: { contract: id, blocked: [] },
    });
  });
}

async function viewOf(grid: FollowedGrid) {
  const { fold, at } = await grid.now();
  return { fold, now: { seq: Number.MAX_SAFE_INTEGER, at } };
}
