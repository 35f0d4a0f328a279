import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';

import { BcdbClient } from '@commongrid/bcdb/client';
import { errorCode, GridError, isGridError } from '@commongrid/base';
import { generateWords, rootKeyFromWords, SigningKey } from '@commongrid/crypto';
import { botIdOf, isName } from '@commongrid/model';
import { Command, InvalidArgumentError } from 'commander';

import { botUrl, listedKey, newBot } from '../../bot-record.ts';
import type { Bot } from '../../bot-record.ts';
import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { GridHome } from '../../home.ts';
import { keyText, readKeyFile, writeNewSecret } from '../../key-file.ts';
import { turnIn } from '../../turn-in.ts';
import { connect, parseKey, serverCommand } from './connection.ts';
import type { ServerOptions } from './connection.ts';

type BotOptions = ServerOptions & { readonly wordsFile: string };
type EndOptions = BotOptions & { readonly compromised?: true };

export function bcdbBotCommand(context: CommandContext): Command {
  return new Command('bot')
    .description('Bots of the phonebook: who somebody is, and with which keys.')
    .addCommand(newCommand(context))
    .addCommand(addKeyCommand(context))
    .addCommand(endKeyCommand(context))
    .addCommand(whoseCommand(context));
}

function newCommand(context: CommandContext): Command {
  return botCommand('new', 'Write a new bot: its 24 words and its key are made when missing.')
    .argument('<name>', '3 to 32 of a-z, 0-9 and single dashes between them', parseName)
    .argument('<key-file>', 'of the key that it acts with')
    .action(async (name: string, keyFile: string, options: BotOptions) => {
      await using _turn = await turnOf(context);
      const { wordsFile } = options;
      const words = existsSync(wordsFile) ? await readWordsFile(wordsFile) : generateWords();
      const device = existsSync(keyFile) ? await readKeyFile(keyFile) : SigningKey.generate();
      const root = await rootOf(context, options, words);
      if (root.bot !== undefined) throw exists(root.bot);
      // First the secrets: a bot whose words are lost is nobody's. With another name they are used again.
      if (!existsSync(wordsFile)) await writeNewSecret(wordsFile, words);
      if (!existsSync(keyFile)) await writeNewSecret(keyFile, keyText(device));
      const bot = newBot(words, root.key, { name, device, log: root.log });
      await root.write(bot);
      print(context, options, bot);
    });
}

function addKeyCommand(context: CommandContext): Command {
  return botCommand('add-key', 'Let a bot act with a further key.')
    .argument('<key-file>', 'of that key')
    .action(async (keyFile: string, options: BotOptions) => {
      await using _turn = await turnOf(context);
      const device = await readKeyFile(keyFile);
      const root = await rootOf(context, options, await readWordsFile(options.wordsFile));
      const bot = root.bot ?? unknown(options.wordsFile);
      const next = { ...bot, keys: [...bot.keys, listedKey(device, root.log, bot.id)] };
      await root.write(next);
      print(context, options, next);
    });
}

function endKeyCommand(context: CommandContext): Command {
  return botCommand('end-key', 'Let a bot not act with a key any more, for good.')
    .argument('<key>', 'the public half: ed25519:...', parseKey)
    .option('--compromised', 'somebody else has it: what it approved does not count either')
    .action(async (key: string, options: EndOptions) => {
      await using _turn = await turnOf(context);
      const root = await rootOf(context, options, await readWordsFile(options.wordsFile));
      const bot = root.bot ?? unknown(options.wordsFile);
      if (!bot.keys.some((one) => one.key === key)) {
        throw new InvalidArgumentError('the bot does not list this key');
      }
      const ended = options.compromised === true ? 'compromised' : 'retired';
      const keys = bot.keys.map((one) =>
        one.key === key ? { ...one, ended } : one,
      ) as Bot['keys'];
      const next = { ...bot, keys };
      await root.write(next);
      print(context, options, next);
    });
}

interface Speaker {
  readonly key: string;
  readonly bot?: { readonly id: string; readonly name: string; readonly role: string };
}

function whoseCommand(context: CommandContext): Command {
  return serverCommand('whose', 'Say for which bot a key speaks now.')
    .argument('<key>', 'the public half: ed25519:...', parseKey)
    .action(async (key: string, options: ServerOptions) => {
      const { client } = await connect(context, options);
      const { bot } = await client.read<Speaker>(`/v1/keys/${encodeURIComponent(key)}`);
      const result = { schema: 'grid.bcdb.whose.1', key, bot: bot ?? null };
      printResult(context, options, result, () => {
        return bot === undefined ? 'nobody' : `${bot.name} (${bot.role} of ${bot.id})`;
      });
    });
}

function parseName(text: string): string {
  if (isName(text)) return text;
  throw new InvalidArgumentError('give 3 to 32 of a-z, 0-9 and single dashes between them');
}

function botCommand(name: string, description: string): Command {
  return serverCommand(name, description).requiredOption(
    '--words-file <file>',
    'the 24 words of the bot: they are its root, keep them apart',
  );
}

/**
 * Commands that sign with words take turns: two at once would sign two records with one counter,
 * which is evidence against their bot, or one would forget what the other said.
 */
async function turnOf({ environment }: CommandContext): Promise<AsyncDisposable> {
  const { heads } = new GridHome(environment.home);
  await mkdir(heads, { recursive: true, mode: 0o700 });
  return turnIn(heads);
}

/** What the holder of the words may do. */
interface Root {
  readonly key: SigningKey;
  readonly log: string;
  /** As it is now. */
  readonly bot: Bot | undefined;
  write(bot: Bot): Promise<unknown>;
}

async function rootOf(
  context: CommandContext,
  options: ServerOptions,
  words: string,
): Promise<Root> {
  const key = rootKeyFromWords(words);
  const { client: reader, trust, url, minSeq } = await connect(context, options);
  const client = await BcdbClient.connect({ url, trust, key });
  const obj = botIdOf(key.publicKey.text);
  const statement = { ns: 'grid', op: 'put', url: botUrl, obj } as const;
  return {
    key,
    log: trust.log,
    bot: await currentBot(reader, obj, minSeq),
    write: (bot) => client.write({ ...statement, value: { ...bot } }),
  };
}

async function currentBot(
  client: BcdbClient,
  id: string,
  minSeq: number,
): Promise<Bot | undefined> {
  try {
    const { value } = await client.get('grid', botUrl, id, { minSeq });
    return value as unknown as Bot;
  } catch (error) {
    if (isGridError(error, 'BCDB_NOT_FOUND')) return undefined;
    throw error;
  }
}

async function readWordsFile(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    const why = errorCode(cause) ?? String(cause);
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot read ${file}: ${why}`, {
      hint: 'name the file with the 24 words of the bot',
      details: { file },
      cause,
    });
  }
}

function print(context: CommandContext, options: ServerOptions, bot: Bot): void {
  const keys = bot.keys.map(({ key, ended }) => ({ key, ended: ended ?? null }));
  const result = { schema: 'grid.bcdb.bot.1', id: bot.id, name: bot.name, keys };
  printResult(context, options, result, () =>
    [
      `${bot.name} is ${bot.id}`,
      ...keys.map(({ key, ended }) => `  ${key}${ended === null ? '' : `  ${ended}`}`),
    ].join('\n'),
  );
}

function exists({ name, id }: Bot): GridError<GridErrorCode> {
  return new GridError('GRID_BOT_EXISTS', `these words are ${name}, ${id}, already`, {
    hint: 'give it a further key: grid bcdb bot add-key',
    details: { id },
  });
}

function unknown(file: string): never {
  throw new GridError<GridErrorCode>('GRID_BOT_UNKNOWN', `the words of ${file} have no bot there`, {
    hint: 'grid bcdb bot new',
    details: { file },
  });
}
