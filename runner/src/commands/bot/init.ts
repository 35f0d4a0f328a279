import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';

import { BcdbClient } from '@commongrid/bcdb/client';
import { GridError, isGridError } from '@commongrid/base';
import { generateWords, rootKeyFromWords } from '@commongrid/crypto';
import type { SigningKey } from '@commongrid/crypto';
import { botIdOf } from '@commongrid/model';
import type { Command } from 'commander';

import { botUrl, listedKey, newBot } from '../../bot-record.ts';
import type { Bot } from '../../bot-record.ts';
import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { sealingKeyOf, writeNewSecret } from '../../key-file.ts';
import { turnIn } from '../../turn-in.ts';
import { wordCard } from '../../word-card.ts';
import { connect, serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { readWordsFile } from './bot-folder.ts';
import { botFolderOf, withBot } from './bot-options.ts';
import type { BotOptions } from './bot-options.ts';

type InitOptions = BotOptions & ServerOptions & { readonly wordsFile?: string };

export function botInitCommand(context: CommandContext): Command {
  return withBot(serverCommand('init', 'Make a bot: its words, its key, its record.'))
    .option('--words-file <file>', 'its 24 words; made when missing; default: words in its folder')
    .action(async (name: string, options: InitOptions) => {
      const folder = botFolderOf(context, name, options);
      await mkdir(folder.path, { recursive: true, mode: 0o700 });
      await using _turn = await turnIn(folder.path);
      const { url, trust } = await connect(context, options);
      const wordsFile = options.wordsFile ?? folder.wordsFile;
      const isNew = !existsSync(wordsFile);
      // First the secrets: a bot whose words are lost is nobody's.
      if (isNew) await writeNewSecret(wordsFile, generateWords());
      const words = await readWordsFile(wordsFile);
      const root = rootKeyFromWords(words);
      const device = await folder.makeDevice();
      await folder.ownerToken();
      const id = botIdOf(root.publicKey.text);
      const client = await BcdbClient.connect({ url, trust, key: root });
      const first = newBot(words, root, { name, device, log: trust.log });
      const record = { ...first, keys: [deviceEntry(device, trust.log, id)] };
      await writeOnce(client, record, device);
      const { log, sequencerKey } = trust;
      await folder.writeConfig({ id, name, url, trust: { log, sequencerKey } });
      const result = { schema: 'grid.bot.init.1', id, name, folder: folder.path, wordsFile };
      if (isNew && options.json !== true) showWords(context, words);
      printResult(context, options, result, () => `${name} is ${id}\nnext: grid bot start ${name}`);
    });
}

/** A key of a device as the record lists it, with the half that messages are sealed to. */
export function deviceEntry(key: SigningKey, log: string, id: Bot['id']): Bot['keys'][number] {
  const seal = sealingKeyOf(key).publicKey.text as NonNullable<Bot['keys'][number]['seal']>;
  return { ...listedKey(key, log, id), seal };
}

/** A call that was broken off before may have written it. @throws GRID_BOT_EXISTS */
async function writeOnce(client: BcdbClient, record: Bot, device: SigningKey): Promise<void> {
  const { id, name } = record;
  const current = await currentRecord(client, id);
  if (current === undefined) {
    const statement = { ns: 'grid', op: 'put', url: botUrl, obj: id } as const;
    await client.write({ ...statement, value: { ...record } });
    return;
  }
  const isOurs = current.keys.some(({ key }) => key === device.publicKey.text);
  if (isOurs && current.name === name) return;
  throw new GridError<GridErrorCode>('GRID_BOT_EXISTS', `these words are ${current.name} already`, {
    hint: 'name other words, or give it a further key: grid bcdb bot add-key',
    details: { id },
  });
}

/** The newest record of a bot; undefined when there is none. */
export async function currentRecord(client: BcdbClient, id: string): Promise<Bot | undefined> {
  try {
    const minSeq = Math.max(0, (client.lastHead?.size ?? 0) - 1);
    const { value } = await client.get('grid', botUrl, id, { minSeq });
    return value as unknown as Bot;
  } catch (error) {
    if (isGridError(error, 'BCDB_NOT_FOUND')) return undefined;
    throw error;
  }
}

function showWords({ terminal }: CommandContext, words: string): void {
  terminal.note(wordCard(words.split(' '), (word) => word));
  terminal.note('write them down: they are the bot, and are shown once');
}
