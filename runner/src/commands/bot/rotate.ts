import { mkdir } from 'node:fs/promises';

import { BcdbClient } from '@commongrid/bcdb/client';
import { FolderLock, GridError, isGridError } from '@commongrid/base';
import { rootKeyFromWords } from '@commongrid/crypto';
import type { Command } from 'commander';

import { botUrl } from '../../bot-record.ts';
import type { Bot } from '../../bot-record.ts';
import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { currentRecord, deviceEntry } from '../../made-bot.ts';
import { readWordsFile } from './bot-folder.ts';
import type { BotFolder } from './bot-folder.ts';
import { botFolderOf, botSubcommand } from './bot-options.ts';
import type { BotOptions } from './bot-options.ts';

type RotateOptions = BotOptions & { readonly wordsFile?: string; readonly compromised?: true };

export function botRotateCommand(context: CommandContext): Command {
  return botSubcommand('rotate', 'End the key of a bot that is stopped, and list a new one.')
    .option('--words-file <file>', 'its 24 words; default: words in its folder')
    .option('--compromised', 'somebody else has the key: what it approved does not count either')
    .action(async (name: string, options: RotateOptions) => {
      const folder = botFolderOf(context, name, options);
      const { id } = await folder.config();
      await using _lock = await lockOf(folder, name);
      const words = await readWordsFile(options.wordsFile ?? folder.wordsFile);
      const [former, key] = await rotate(folder, words, options.compromised === true);
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
  const record = await currentRecord(client, id);
  if (record === undefined) {
    throw new GridError<GridErrorCode>('GRID_BOT_UNKNOWN', 'the bot has no record', {
      hint: 'grid bot init',
    });
  }
  if (!record.keys.some((one) => one.key === key)) {
    const ended = isCompromised ? 'compromised' : 'retired';
    const keys = record.keys.map((one) => (one.key === former ? { ...one, ended } : one));
    const value = { ...record, keys: [...keys, deviceEntry(next, trust.log, record.id)] } as Bot;
    await client.write({ ns: 'grid', op: 'put', url: botUrl, obj: id, value: { ...value } });
  }
  await folder.takeNext();
  return [former, key];
}

/** A bot that runs would go on with a key that is ended. @throws GRID_BOT_RUNNING */
async function lockOf(folder: BotFolder, name: string): Promise<FolderLock> {
  await mkdir(folder.data, { recursive: true, mode: 0o700 });
  try {
    return await FolderLock.open(folder.data);
  } catch (error) {
    if (!isGridError(error, 'BASE_FOLDER_LOCKED')) throw error;
    throw new GridError<GridErrorCode>('GRID_BOT_RUNNING', `${name} runs`, {
      hint: 'stop it first: SIGTERM to its process',
      details: error.details,
      cause: error,
    });
  }
}
