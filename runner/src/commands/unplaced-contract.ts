import { FollowedGrid } from '@commongrid/bcdb/client';
import type { ContractPhase } from '@commongrid/contract';
import type { ContractId } from '@commongrid/model';

import type { CommandContext } from '../command-context.ts';
import { contractCalled } from '../node/owned-grid.ts';
import { agreeToEnd } from './agreed-end.ts';
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
export async function endUnplaced(
  context: CommandContext,
  options: ServerOptions,
  owned: OwnedConnection,
  name: string,
): Promise<ContractId> {
  const contract = await withFeedOf(context, options, owned, async (feed) => {
    await using grid = await FollowedGrid.open({ ...feed, reader: feed.bot });
    const { fold, at } = await grid.now();
    const now = { seq: Number.MAX_SAFE_INTEGER, at };
    const unplaced = contractsIn(fold).filter(({ id, header }) => {
      return header.owner === feed.bot && early.has(statusIn({ fold, now }, id).phase);
    });
    return contractCalled(unplaced, name).id;
  });
  await agreeToEnd(context, options, owned, contract);
  return contract;
}
