import { isGridError } from '@commongrid/base';
import type { Contract, ContractId } from '@commongrid/model';

import { botHere, isControlledBy, standingAt } from '../../bot-service/bots-here.ts';
import type { ContractStanding } from '../../bot-service/contracts-actor.ts';
import type { CommandContext } from '../../command-context.ts';
import type { BotFolder } from '../bot/bot-folder.ts';

/** The bot of this machine that may place a contract: its owner's, where it names that or its key. */
export async function controllerHere(
  { environment }: CommandContext,
  header: Contract,
): Promise<BotFolder | undefined> {
  const bot = await botHere(environment.home, header.owner);
  return bot !== undefined && (await isControlledBy(header, bot)) ? bot : undefined;
}

/** What its controller says of a contract; undefined where none runs on this machine. */
export async function standingHere(
  context: CommandContext,
  { id, header }: { readonly id: ContractId; readonly header: Contract },
): Promise<ContractStanding | undefined> {
  const bot = await controllerHere(context, header);
  if (bot === undefined) return undefined;
  try {
    return await standingAt(bot, id);
  } catch (error) {
    if (isGridError(error, 'BASE_CONTROL_ABSENT')) return undefined;
    throw error;
  }
}
