import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';

import { generateWords } from '@commongrid/crypto';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { writeNewSecret } from '../../key-file.ts';
import { makeBot } from '../../made-bot.ts';
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
      const { id } = await makeBot(folder, { name, words, url, trust });
      const result = { schema: 'grid.bot.init.1', id, name, folder: folder.path, wordsFile };
      if (isNew && options.json !== true) showWords(context, words);
      printResult(
        context,
        options,
        result,
        () =>
          `${name} is ${id}\nnext: grid bot start ${name}; grid bot card ${name} prints what brings it back`,
      );
    });
}

function showWords({ terminal }: CommandContext, words: string): void {
  terminal.note(wordCard(words.split(' '), (word) => word));
  terminal.note('write them down: they are the bot, and are shown once');
}
