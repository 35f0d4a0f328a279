import { open } from 'node:fs/promises';

import { errorCode, GridError, shutdownSignal } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { withProgress } from '../../terminal.ts';
import { connect, serverCommand } from './connection.ts';
import type { ServerOptions } from './connection.ts';
import { ImportWriter } from './import-writer.ts';
import type { ImportedChange } from './import-writer.ts';
import { changeWriter } from './sealed-objects.ts';

type ImportOptions = ServerOptions & { readonly from?: string };

export function bcdbImportCommand(context: CommandContext): Command {
  return serverCommand('import', 'Write objects of a file into a namespace, signed anew.')
    .argument('<file>', 'an export of a log, or lines of {"url":...,"obj":...,"value":...}')
    .argument('<namespace>', 'where they go; it has to be there')
    .option('--from <namespace>', 'of an export: where they were; default: the same name')
    .addHelpText(
      'after',
      '\nTypes and objects of an export come with their history, once all of it was verified.' +
        '\nSignatures, rights, policies and proposals stay behind: they belong to their log.',
    )
    .action(async (file: string, ns: string, options: ImportOptions) => {
      const write = await changeWriter(await connect(context, options), ns);
      const writer = new ImportWriter(write);
      const work = importFile(writer, file, options.from ?? ns);
      await withProgress(context.terminal, 'importing', work);
      const { written, skipped } = writer;
      const result = { schema: 'grid.bcdb.import.1', file, ns, written, skipped };
      printResult(context, options, result, () => {
        const left = skipped === 0 ? '' : `, ${skipped} left out whose payload was erased`;
        return `${written} changes are in ${ns}${left}`;
      });
    });
}

async function importFile(writer: ImportWriter, file: string, from: string): Promise<void> {
  if (await isExport(file)) await importExport(writer, file, from);
  else await importLines(writer, file);
  await writer.settled();
}

/** Everything is verified before anything is written. */
async function importExport(writer: ImportWriter, file: string, from: string): Promise<void> {
  const { verifyExport } = await import('@commongrid/bcdb');
  const signal = shutdownSignal();
  const { fault } = await verifyExport(file, { signal });
  if (fault !== undefined) {
    throw new GridError(fault.code, `record ${fault.seq} is not sound: ${fault.message}`, {
      hint: `./grid bcdb verify ${file}`,
      details: { seq: fault.seq },
    });
  }
  await verifyExport(file, {
    signal,
    onRecord: async ({ effects }) => {
      for (const effect of effects.filter(({ ns }) => ns === from)) {
        const { url, obj, kind } = effect;
        const payload = kind === 'put' ? effect.payload : undefined;
        const text = payload === undefined ? undefined : Buffer.from(payload).toString();
        const value = text === undefined ? undefined : (JSON.parse(text) as JsonValue);
        await writer.write({ url, obj, op: kind, value });
      }
    },
  });
}

async function importLines(writer: ImportWriter, file: string): Promise<void> {
  await using handle = await open(file);
  let lineNumber = 0;
  for await (const text of handle.readLines()) {
    lineNumber++;
    if (text.trim() !== '') await writer.write(changeOf(text, lineNumber));
  }
}

async function isExport(file: string): Promise<boolean> {
  try {
    await using handle = await open(file);
    for await (const text of handle.readLines()) {
      return /^\{"schema":"grid\.bcdb\.(?:export|backup)\.1"/.test(text);
    }
    return false;
  } catch (error) {
    const why = errorCode(error) ?? String(error);
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot read ${file}: ${why}`, {
      hint: 'name a file that you may read',
      cause: error,
    });
  }
}

function changeOf(text: string, lineNumber: number): ImportedChange {
  try {
    const { url, obj, value } = JSON.parse(text) as Readonly<Record<string, JsonValue>>;
    if (typeof url === 'string' && typeof obj === 'string' && value !== undefined) {
      return { url, obj, op: 'put', value };
    }
  } catch {
    // Told below.
  }
  throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `line ${lineNumber} is no object`, {
    hint: 'lines are {"url":...,"obj":...,"value":...}',
    details: { line: lineNumber },
  });
}
