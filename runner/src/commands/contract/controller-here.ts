import { isGridError } from '@commongrid/base';
import type { Contract, ContractId } from '@commongrid/model';

import { botHere, standingAt } from '../../bot-service/bots-here.ts';
import type { ContractStanding } from '../../bot-service/contracts-actor.ts';
import type { CommandContext } from '../../command-context.ts';
import type { BotFolder } from '../bot/bot-folder.ts';

/** The bot of this machine that may place a contract: its owner's, by one of the keys that it names. */
export async function controllerHere(
  { environment }: CommandContext,
  { owner, controllers }: Contract,
): Promise<BotFolder | undefined> {
  const bot = await botHere(environment.home, owner);
  const key = (await bot?.device())?.publicKey.text;
  return controllers.some((one) => one === key) ? bot : undefined;
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
