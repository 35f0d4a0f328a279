import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';

import { errorCode, GridError } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { askBot } from '../bot/ask-bot.ts';
import { readValue } from '../bcdb/value-input.ts';
import { dataBot, dataSubcommand } from './data-bot.ts';
import type { DataOptions } from './data-bot.ts';
import { fullAddress } from './full-address.ts';
import { failed } from './get.ts';

type PutOptions = DataOptions & { readonly file?: string; readonly prev?: string };

export function dataPutCommand(context: CommandContext): Command {
  return dataSubcommand(
    'put',
    'Write a record, or send a file, of this bot or of another that allows it.',
  )
    .argument('<address>', 'grid://BOT/COLLECTION/ID or grid://BOT/files/KEY')
    .argument('[value]', 'of a record: JSON; default: that of --file, or stdin')
    .option('--file <file>', 'what is sent, or the value of a record')
    .option('--prev <version>', 'of a record: only if this is still the newest version')
    .action(async (given: string, text: string | undefined, options: PutOptions) => {
      const bot = await dataBot(context, options);
      const { address, kind } = await fullAddress(bot, given);
      if (kind === 'file') {
        const { url } = (await askBot(bot, 'data.writeUrl', { address })) as {
          readonly url: string;
        };
        const sizeBytes = await sendFile(url, options.file);
        const result = { schema: 'grid.data.put.1', address, sizeBytes };
        printResult(context, options, result, () => `${sizeBytes} bytes are at ${address}`);
        return;
      }
      const value = await readValue(text, options.file);
      const prev = options.prev === undefined ? {} : { prev: options.prev };
      const input = { address, value, ...prev };
      const written = (await askBot(bot, 'data.write', input)) as { readonly version: string };
      const result = { schema: 'grid.data.put.1', address, ...written };
      printResult(context, options, result, () => `${address} is version ${written.version}`);
    });
}

async function sendFile(url: string, file: string | undefined): Promise<number> {
  if (file === undefined) {
    throw new GridError<GridErrorCode>('GRID_USAGE', 'which file is to be sent?', {
      hint: 'name it with --file',
    });
  }
  const { host } = new URL(url);
  const { size } = await stat(file).catch((cause: unknown) => {
    const why = errorCode(cause) ?? String(cause);
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot read ${file}: ${why}`, {
      hint: 'name a file that is there',
      cause,
    });
  });
  const response = await fetch(url, {
    method: 'PUT',
    body: Readable.toWeb(createReadStream(file)),
    duplex: 'half',
    headers: { 'content-length': String(size) },
  }).catch((cause: unknown) => {
    throw failed(host, 'it does not answer', cause);
  });
  if (!response.ok) throw failed(host, `it answers ${response.status}`);
  return size;
}
