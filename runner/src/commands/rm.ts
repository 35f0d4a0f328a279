import type { DraftFile } from '@commongrid/contract';
import { isGridError } from '@commongrid/base';
import type { RecordOf, WorkloadId } from '@commongrid/model';
import type { Command } from 'commander';

import { botHere } from '../bot-service/bots-here.ts';
import { withKeeper } from '../bot-service/contract-keeper.ts';
import { printResult } from '../command-context.ts';
import type { CommandContext } from '../command-context.ts';
import { requireYes } from '../confirm.ts';
import { endOf } from '../node/deploy.ts';
import type { LiveContract } from '../node/owned-grid.ts';
import { dropCredentials } from '../solutions/kept-credentials.ts';
import { plainText } from '../terminal.ts';
import { agreeToEnd } from './agreed-end.ts';
import { serverCommand } from './bcdb/connection.ts';
import type { ServerOptions } from './bcdb/connection.ts';
import { parseSeconds, timeoutSecondsDefault } from './deploy-timeout.ts';
import { ownedGrid } from './node/farm.ts';
import type { OwnedConnection } from './node/farm.ts';
import { endUnplaced } from './unplaced-contract.ts';

type RmOptions = ServerOptions & { readonly timeout: number; readonly yes?: true };

export function rmCommand(context: CommandContext): Command {
  return serverCommand('rm', 'End a deployment for good: its workloads stop, and their data goes.')
    .argument('<contract>', 'its id, or its name')
    .option('--timeout <seconds>', 'wait no longer', parseSeconds, timeoutSecondsDefault)
    .option('--yes', 'also where data goes, without asking')
    .action(async (name: string, options: RmOptions) => {
      const owned = await ownedGrid(context, options);
      const { client, grid } = owned;
      const live = await placedContract(owned, name);
      if (live === undefined) {
        const unplaced = await endUnplaced(context, options, owned, name);
        await dropCredentials(context.environment.home, unplaced);
        const ended = { schema: 'grid.rm.1', contract: unplaced, workloads: [] };
        printResult(context, options, ended, () => `${name} is ended: ${unplaced}`);
        return;
      }
      const { id, header, placement } = live;
      const draft = await draftInLog(owned, live);
      await confirmLoss(context, options, name, draft);
      const workloads = placement.items.map(
        ({ role, replica }) => `${id}/${role}/${replica}` as WorkloadId,
      );
      const bot = await botHere(context.environment.home, grid.owner);
      const who = { options, owned, bot, header };
      await withKeeper(context, who, async (keeper) => {
        const { phase } = await keeper.standing(id);
        // What ends is controlled as well, by whatever is known of it.
        if (phase === null) await keeper.adopt({ draft });
        await agreeToEnd(context, options, owned, id);
        await endOf(id, workloads, {
          ...{ client, isPatient: false, standing: () => keeper.standing(id) },
          signal: AbortSignal.timeout(options.timeout * 1000),
        });
      });
      await dropCredentials(context.environment.home, id);
      const result = { schema: 'grid.rm.1', contract: id, workloads };
      printResult(context, options, result, () => `${name} is ended: ${id}`);
    });
}

/** @throws GRID_USAGE unless it has no data, or a person, or `--yes`, agrees */
async function confirmLoss(
  context: CommandContext,
  options: RmOptions,
  name: string,
  { openings }: DraftFile,
): Promise<void> {
  const roles = openings.flatMap(({ role }) => (role.data === 'none' ? [] : [role.name]));
  if (roles.length === 0) return;
  await requireYes(context, options, {
    message: `End ${name}, and remove its data for good (${roles.join(', ')})?`,
    refused: 'nothing was ended',
    command: `./grid rm ${plainText(name)} --yes`,
  });
}

/** Undefined where nothing of it was placed. @throws GRID_NAME_AMBIGUOUS */
async function placedContract(
  { grid }: OwnedConnection,
  name: string,
): Promise<LiveContract | undefined> {
  try {
    return await grid.contract(name);
  } catch (error) {
    if (isGridError(error, 'GRID_CONTRACT_UNKNOWN')) return undefined;
    throw error;
  }
}

/** A contract as its slices show it: enough to end it, and to place it without its secrets. */
async function draftInLog(
  { client }: OwnedConnection,
  { id, header, placement }: LiveContract,
): Promise<DraftFile> {
  const shown = placement.items.map(async ({ node, role, replica }) => {
    const { value } = await client.get('grid', 'grid.slice.1', `${node}/${id}/${role}/${replica}`);
    return (value as RecordOf<'grid.slice.1'>).opening;
  });
  const all = await Promise.all(shown);
  const openings = header.roles.flatMap(({ name }) => {
    const opening = all.find(({ role }) => role.name === name);
    return opening === undefined ? [] : [opening];
  });
  return { schema: 'grid.contract.draft.1', id, header, openings, shards: {} };
}
