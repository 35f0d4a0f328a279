import { FollowedGrid } from '@commongrid/bcdb/client';
import { GridError } from '@commongrid/base';
import { signaturesOf } from '@commongrid/model';
import type { ContractId } from '@commongrid/model';

import type { CommandContext } from '../command-context.ts';
import type { GridErrorCode } from '../errors.ts';
import { signRemoval } from '../node/deploy.ts';
import type { ServerOptions } from './bcdb/connection.ts';
import type { OwnedConnection } from './node/farm.ts';
import { withFeedOf } from './own-feed.ts';

/**
 * Agrees to the end of a contract as its owner.
 * @throws GRID_DEPLOY_BLOCKED where others have to agree as well, and did not yet
 */
export function agreeToEnd(
  context: CommandContext,
  options: ServerOptions,
  owned: OwnedConnection,
  contract: ContractId,
): Promise<void> {
  return withFeedOf(context, options, owned, async (feed) => {
    const { client, bot, trust } = feed;
    await using grid = await FollowedGrid.open({ ...feed, reader: bot });
    const { at } = await grid.now();
    await signRemoval(contract, { client, log: trust.log, owner: bot, at });
    const after = await grid.now();
    const now = { seq: Number.MAX_SAFE_INTEGER, at: after.at };
    if (signaturesOf(after.fold, contract, 'remove', now) === 'agreed') return;
    throw new GridError<GridErrorCode>('GRID_DEPLOY_BLOCKED', 'others have to agree to its end', {
      hint: `who they are: grid contract show ${contract}`,
      details: { contract, blocked: [] },
    });
  });
}
