import { readdir } from 'node:fs/promises';

import { askControl, errorCode, isGridError } from '@commongrid/base';
import type { Contract, ContractId } from '@commongrid/model';

import { BotFolder } from '../commands/bot/bot-folder.ts';
import { GridHome } from '../home.ts';
import type { ContractStanding } from './contracts-actor.ts';
import { KeptContracts } from './kept-contracts.ts';
import type { GivenContract } from './kept-contracts.ts';

/** A bot of this machine. */
export interface BotHere {
  readonly id: string;
  readonly name: string;
  readonly folder: BotFolder;
}

/** The bots of this machine, whether they run or not. */
export async function botsHere(home: string): Promise<readonly BotHere[]> {
  const { bots } = new GridHome(home);
  const names = await readdir(bots, { withFileTypes: true }).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const found = names.map(async (entry): Promise<readonly BotHere[]> => {
    const folder = BotFolder.named(home, entry.name);
    if (!entry.isDirectory() || !folder.isMade) return [];
    return [{ id: (await folder.config()).id, name: entry.name, folder }];
  });
  return (await Promise.all(found)).flat();
}

/** Folder of the bot of this machine that is the one with this id; undefined where there is none. */
export async function botHere(home: string, id: string): Promise<BotFolder | undefined> {
  return (await botsHere(home)).find((bot) => bot.id === id)?.folder;
}

/** Whether a contract names the bot of a folder, or the key that it has now. */
export async function isControlledBy(
  { controllers }: Pick<Contract, 'controllers'>,
  folder: BotFolder,
): Promise<boolean> {
  const named: readonly string[] = controllers;
  const [{ id }, { publicKey }] = await Promise.all([folder.config(), folder.device()]);
  return named.includes(id) || named.includes(publicKey.text);
}

/**
 * Hands a contract to a bot, which keeps it from then on; one that does not run finds it when it starts.
 * @returns whether it runs
 * @throws CONTRACT_DRAFT_INVALID, GRID_FILE_UNWRITABLE, GRID_BOT_FULL
 */
export async function handOver(folder: BotFolder, given: GivenContract): Promise<boolean> {
  const { draft, secrets, only } = given;
  try {
    await ask(folder, 'contracts.adopt', { draft, secrets, only });
    return true;
  } catch (error) {
    if (!isGridError(error, 'BASE_CONTROL_ABSENT')) throw error;
    await (await KeptContracts.open(folder.contracts)).keep(given);
    return false;
  }
}

/** How a contract stands with a bot that runs. @throws BASE_CONTROL_ABSENT */
export async function standingAt(
  folder: BotFolder,
  contract: ContractId,
): Promise<ContractStanding> {
  return (await ask(folder, 'contracts.status', { contract })) as ContractStanding;
}

/** Whether the bot of a folder runs. */
export async function isRunning(folder: BotFolder): Promise<boolean> {
  try {
    await ask(folder, 'bot.status', {});
    return true;
  } catch (error) {
    if (isGridError(error, 'BASE_CONTROL_ABSENT')) return false;
    throw error;
  }
}

function ask(folder: BotFolder, method: string, input: unknown): Promise<unknown> {
  return askControl(folder.controlSocket, 'call', { method, input });
}
