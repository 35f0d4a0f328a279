import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';

import { GridError, isGridError } from '@commongrid/base';
import { generateWords } from '@commongrid/crypto';
import type { BotId } from '@commongrid/model';

import { trustOfGenesis } from '../bcdb-trust.ts';
import type { LogTrust } from '../bcdb-trust.ts';
import type { CommandContext } from '../command-context.ts';
import { readWordsFile } from '../commands/bot/bot-folder.ts';
import type { BotConfig, BotFolder } from '../commands/bot/bot-folder.ts';
import type { GridErrorCode } from '../errors.ts';
import { frontDoorService } from '../front-door/front-door-place.ts';
import { GridHome } from '../home.ts';
import { keepChoice } from '../kept-choice.ts';
import { writeNewSecret } from '../key-file.ts';
import { addBotDevice, makeBot } from '../made-bot.ts';
import { ownerNameDefault } from '../owner-bot.ts';
import { readWords } from '../owner-identity.ts';
import { askSupervisor } from '../supervisor/control.ts';
import type { GridState } from '../supervisor/grid-state.ts';
import { turnIn } from '../turn-in.ts';
import { homeBotFolder, homeBots, homeBotService } from './home-bot-place.ts';
import type { HomeBotName } from './home-bot-place.ts';

/** The bots that a grid runs on its own machine. */
export interface StartedHomeBots {
  readonly bots: readonly HomeBot[];
  /** Why there are none. */
  readonly lack: string | undefined;
}

export interface HomeBot {
  /** As commands call it. */
  readonly name: HomeBotName;
  readonly id: string;
  /** File with words that this call made. */
  readonly newWordsFile: string | undefined;
}

/** The bots, and what follows what they say. */
const botServices = [...homeBots.map(homeBotService), frontDoorService];

/** For the services to start. */
const startTimeoutMs = 120_000;

/**
 * Runs the bots of a grid that is up: makes them, starts their services, and gives them prices and money.
 * A grid is up without them: what goes wrong is told, not thrown.
 * @param wanted undefined: as it was before; at the first time they run
 */
export async function startHomeBots(
  context: CommandContext,
  state: GridState,
  wanted: boolean | undefined,
): Promise<StartedHomeBots> {
  const home = new GridHome(state.home);
  try {
    if (!(await keepChoice(home.noBotsFile, wanted))) {
      await stop(home, state);
      return lacking('not wanted; ./grid up --bots');
    }
    const bots = await made(home, state);
    await order(home, 'start');
    await openMarket(context, home, bots);
    return { bots, lack: undefined };
  } catch (error) {
    if (isGridError(error)) return lacking(`${error.code}: ${error.message}`);
    return lacking(error instanceof Error ? error.message : String(error));
  }
}

/** Once. What it takes to move money is loaded for that alone. */
async function openMarket(
  context: CommandContext,
  home: GridHome,
  bots: readonly HomeBot[],
): Promise<void> {
  const buyer = bots.find(({ name }) => name === 'buyer');
  if (buyer === undefined || existsSync(home.marketFile)) return;
  const { openHomeMarket } = await import('./home-market.ts');
  await using _turn = await turnIn(home.bots);
  await openHomeMarket(context, buyer.id as BotId);
}

async function stop(home: GridHome, { services }: GridState): Promise<void> {
  if (botServices.some((name) => (services[name]?.phase ?? 'stopped') !== 'stopped')) {
    await order(home, 'stop');
  }
}

/** Once: others who bring the same grid up wait. */
async function made(home: GridHome, state: GridState): Promise<readonly HomeBot[]> {
  await mkdir(home.bots, { recursive: true, mode: 0o700 });
  await using _turn = await turnIn(home.bots);
  const url = `http://${state.services['bcdb']?.addresses['bcdb-http']}`;
  const where = { url, trust: await trustOfGenesis(home.bcdbGenesisFile) };
  return [await makeFarmer(home, where), await makeBuyer(home, where)];
}

interface Whereabouts {
  readonly url: string;
  readonly trust: LogTrust;
}

/** The owner's bot, with a key of its own. @throws GRID_WORDS_MISSING */
async function makeFarmer(home: GridHome, where: Whereabouts): Promise<HomeBot> {
  const folder = homeBotFolder(home, 'farmer');
  const known = await moved(folder, where);
  if (known !== undefined) return { name: 'farmer', id: known.id, newWordsFile: undefined };
  await using _turn = await turnIn(home.identity);
  const words = await readWords(home);
  if (words === undefined) throw wordsMissing(home);
  const { id } = await addBotDevice(folder, { name: ownerNameDefault, words, ...where });
  return { name: 'farmer', id, newWordsFile: undefined };
}

async function makeBuyer(home: GridHome, where: Whereabouts): Promise<HomeBot> {
  const folder = homeBotFolder(home, 'buyer');
  const { wordsFile } = folder;
  const known = await moved(folder, where);
  if (known !== undefined) return { name: 'buyer', id: known.id, newWordsFile: undefined };
  await mkdir(folder.path, { recursive: true, mode: 0o700 });
  const isNew = !existsSync(wordsFile);
  if (isNew) await writeNewSecret(wordsFile, generateWords());
  const words = await readWordsFile(wordsFile);
  const { id } = await makeBot(folder, { name: 'buyer', words, ...where });
  return { name: 'buyer', id, newWordsFile: isNew ? wordsFile : undefined };
}

/** A bot that is there already is told where its database is now; undefined when there is none. */
async function moved(folder: BotFolder, { url }: Whereabouts): Promise<BotConfig | undefined> {
  if (!folder.isMade) return undefined;
  const config = await folder.config();
  if (config.url !== url) await folder.writeConfig({ ...config, url });
  return config;
}

/** @throws GRID_SERVICE_FAILED, GRID_START_TIMEOUT, GRID_SERVICE_UNKNOWN, GRID_SUPERVISOR_UNREACHABLE */
async function order(home: GridHome, action: 'start' | 'stop'): Promise<void> {
  await askSupervisor(home, { action, services: botServices }, startTimeoutMs);
}

function lacking(lack: string): StartedHomeBots {
  return { bots: [], lack };
}

function wordsMissing(home: GridHome): GridError<GridErrorCode> {
  const message = `the bot of the owner takes a key, and the words are not in ${home.wordsFile}`;
  return new GridError('GRID_WORDS_MISSING', message, {
    hint: `write the 24 words into ${home.wordsFile}, then ./grid up`,
    details: { file: home.wordsFile },
  });
}
