import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { GridError, isGridError } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { unwritten } from '../../key-file.ts';
import { askData, dataSubcommand } from './data-bot.ts';
import type { DataOptions } from './data-bot.ts';

type GetOptions = DataOptions & { readonly out?: string };

type Found =
  | { readonly kind: 'record'; readonly value: unknown }
  | { readonly kind: 'file'; readonly url: string; readonly sizeBytes: number };

export function dataGetCommand(context: CommandContext): Command {
  return dataSubcommand('get', 'Show a record, or fetch a file, of this bot or of another.')
    .argument('<address>', 'grid://BOT/COLLECTION/ID or grid://BOT/files/KEY')
    .option('--out <file>', 'write the file there, which must be new; default: to stdout')
    .action(async (address: string, options: GetOptions) => {
      const found = await askData<Found>(context, options, 'open', { address });
      const { out } = options;
      const isShown = found.kind === 'record' || (options.json === true && out === undefined);
      if (isShown) {
        const result = { schema: 'grid.data.get.1', address, ...found };
        printResult(context, options, result, () =>
          JSON.stringify(found.kind === 'record' ? found.value : found.url, undefined, 2),
        );
        return;
      }
      await fetchFile(found.url, out);
      if (out === undefined) return;
      const result = { schema: 'grid.data.get.1', address, ...found, file: out };
      printResult(context, options, result, () => `${found.sizeBytes} bytes are in ${out}`);
    });
}

/** The URL leads to the S3 of whoever shares the file. */
async function fetchFile(url: string, out: string | undefined): Promise<void> {
  const { host } = new URL(url);
  try {
    const response = await fetch(url);
    if (!response.ok || response.body === null) throw failed(host, `it answers ${response.status}`);
    if (out === undefined) {
      await pipeline(Readable.fromWeb(response.body), process.stdout, { end: false });
      return;
    }
    const file = createWriteStream(out, { flags: 'wx' });
    await pipeline(Readable.fromWeb(response.body), file).catch((error: unknown) => {
      throw unwritten(out, error);
    });
  } catch (cause) {
    if (isGridError(cause)) throw cause;
    throw failed(host, 'it does not answer', cause);
  }
}

/** Of the S3 at an address. */
export function failed(host: string, why: string, cause?: unknown): GridError {
  return new GridError('BOT_FILES_FAILED', `the S3 at ${host}: ${why}`, {
    hint: 'see that it runs, and that this machine reaches it',
    details: { host },
    cause,
  });
}
