import { mkdir } from 'node:fs/promises';

import { BcdbClient } from '@commongrid/bcdb/client';
import { askControl, FolderLock, GridError, isGridError, waitFor } from '@commongrid/base';
import { rootKeyFromWords } from '@commongrid/crypto';
import type { Command } from 'commander';

import { listDevice } from '../../bot-recovery/list-device.ts';
import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { turnIn } from '../../turn-in.ts';
import { readWordsFile } from './bot-folder.ts';
import type { BotFolder } from './bot-folder.ts';
import { botFolderOf, botSubcommand } from './bot-options.ts';
import type { BotOptions } from './bot-options.ts';

type RotateOptions = BotOptions & { readonly wordsFile?: string; readonly compromised?: true };

export function botRotateCommand(context: CommandContext): Command {
  return botSubcommand(
    'rotate',
    'End the key of a bot, and list a new one; one that runs goes on with it.',
  )
    .option('--words-file <file>', 'its 24 words; default: words in its folder')
    .option('--compromised', 'somebody else has the key: what it approved does not count either')
    .action(async (name: string, options: RotateOptions) => {
      const folder = botFolderOf(context, name, options);
      const { id } = await folder.config();
      await using _turn = await turnIn(folder.path);
      await using lock = await lockOf(folder);
      const words = await readWordsFile(options.wordsFile ?? folder.wordsFile);
      const [former, key] = await rotate(folder, words, options.compromised === true);
      if (lock === undefined) await beginAnew(folder, name);
      const result = { schema: 'grid.bot.rotate.1', id, name, former, key };
      printResult(context, options, result, () => `${name} speaks with ${key} from now on`);
    });
}

/**
 * First the new key is on disk, then the record, then the old key gives place: broken off anywhere, the
 * next call goes on. Returns both public keys.
 */
async function rotate(
  folder: BotFolder,
  words: string,
  isCompromised: boolean,
): Promise<readonly [former: string, key: string]> {
  const { id, url, trust } = await folder.config();
  const device = await folder.device();
  const next = await folder.makeNext();
  const [former, key] = [device.publicKey.text, next.publicKey.text];
  const client = await BcdbClient.connect({ url, trust, key: rootKeyFromWords(words) });
  const ending = isCompromised ? 'compromised' : 'retired';
  try {
    // A bot that runs may say its backup and addresses at the same time: these stay.
    await listDevice(client, id, next, { lost: [former], ending });
  } catch (cause) {
    if (!isGridError(cause, 'BCDB_NOT_FOUND')) throw cause;
    throw new GridError<GridErrorCode>('GRID_BOT_UNKNOWN', 'the bot has no record', {
      hint: 'grid bot init',
      cause,
    });
  }
  await folder.takeNext();
  return [former, key];
}

/** Keeps the bot from starting meanwhile; undefined where it runs. */
async function lockOf(folder: BotFolder): Promise<FolderLock | undefined> {
  await mkdir(folder.data, { recursive: true, mode: 0o700 });
  try {
    return await FolderLock.open(folder.data);
  } catch (error) {
    if (isGridError(error, 'BASE_FOLDER_LOCKED')) return undefined;
    throw error;
  }
}

/** Time for the process of a bot to take its new key, ms: it ends what it does, and opens all of it again. */
const takeKeyMs = 60_000;

/** The process of the bot goes on with its new key; one that just ended does so anyway. @throws GRID_BOT_RUNNING */
async function beginAnew(folder: BotFolder, name: string): Promise<void> {
  const take = async (signal: AbortSignal): Promise<boolean> => {
    try {
      await askControl(folder.controlSocket, 'takeKey', {}, { signal });
      return true;
    } catch (error) {
      if (!isGridError(error, 'BASE_CONTROL_ABSENT')) throw error;
    }
    // It has no socket yet, or no more.
    await using lock = await lockOf(folder);
    return lock !== undefined;
  };
  try {
    await waitFor(take, { what: `${name} to go on`, timeoutMs: takeKeyMs, everyMs: 100 });
  } catch (cause) {
    throw new GridError<GridErrorCode>(
      'GRID_BOT_RUNNING',
      `the key of ${name} is another one now, and its process did not take it`,
      {
        hint: 'end its process with SIGTERM, and start it again',
        details: { folder: folder.path },
        cause,
      },
    );
  }
}
