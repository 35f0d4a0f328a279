import { BcdbClient } from '@commongrid/bcdb/client';
import { GridError } from '@commongrid/base';
import { rootKeyFromWords } from '@commongrid/crypto';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { writeNewSecret } from '../../key-file.ts';
import { currentRecord } from '../../made-bot.ts';
import { cardJson, cardText } from '../../recovery-card.ts';
import type { RecoveryCard } from '../../recovery-card.ts';
import { readWordsFile } from './bot-folder.ts';
import type { BotFolder } from './bot-folder.ts';
import { botFolderOf, botSubcommand } from './bot-options.ts';
import type { BotOptions } from './bot-options.ts';

type CardOptions = BotOptions & { readonly wordsFile?: string; readonly out?: string };

export function botCardCommand(context: CommandContext): Command {
  return botSubcommand('card', 'Print the recovery card of a bot: whoever has it is the bot.')
    .option('--words-file <file>', 'its 24 words; default: words in its folder')
    .option('--out <file>', 'write it there instead, for its owner alone')
    .action(async (name: string, options: CardOptions) => {
      const folder = botFolderOf(context, name, options);
      const words = await readWordsFile(options.wordsFile ?? folder.wordsFile);
      const card = await cardOf(folder, words);
      const { out } = options;
      if (out === undefined) {
        printResult(context, options, cardJson(card), () => cardText(card));
        return;
      }
      const isJson = options.json === true;
      await writeNewSecret(out, isJson ? JSON.stringify(cardJson(card)) : cardText(card));
      const result = { schema: 'grid.bot.card-file.1', id: card.bot, name: card.name, file: out };
      printResult(context, options, result, () => `the recovery card of ${card.name} is in ${out}`);
    });
}

/** A card with the words of another bot would be found out when it is too late. */
async function cardOf(folder: BotFolder, words: string): Promise<RecoveryCard> {
  const { id, url, trust } = await folder.config();
  const root = rootKeyFromWords(words);
  const client = await BcdbClient.connect({ url, trust });
  const record = await currentRecord(client, id);
  if (record?.root !== root.publicKey.text) {
    throw new GridError<GridErrorCode>('GRID_BOT_UNKNOWN', 'these are not the words of this bot', {
      hint: 'name the file with its words: --words-file',
      details: { id },
    });
  }
  return {
    ...{ name: record.name, bot: id, log: trust.log, sequencer: trust.sequencerKey },
    ...{ addresses: [url], words: words.trim().split(/\s+/).join(' ') },
  };
}
