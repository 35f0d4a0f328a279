import { createWriteStream } from 'node:fs';
import { link, unlink } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

import { GridError, shutdownSignal } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { GridHome } from '../../home.ts';
import { tempBeside, unwritten } from '../../key-file.ts';
import { withProgress } from '../../terminal.ts';
import { connect, serverCommand } from './connection.ts';
import type { ServerOptions } from './connection.ts';
import { postgresFlag, postgresHelp, postgresOf } from './postgres-option.ts';
import type { PostgresOption } from './postgres-option.ts';

type ExportOptions = ServerOptions & PostgresOption & { readonly data?: string };

export function bcdbExportCommand(context: CommandContext): Command {
  return serverCommand('export', 'Write the whole log to a file that verifies without a server.')
    .argument('<file>', 'the file to make')
    .option('--data <folder>', 'of a database that is not running')
    .option(postgresFlag, postgresHelp)
    .action(async (file: string, options: ExportOptions) => {
      const size = await writeLog(context, file, options, false);
      const result = { schema: 'grid.bcdb.export.1', file, records: size };
      printResult(context, options, result, () => {
        return `${size} records in ${file}\nverify it anywhere: ./grid bcdb verify ${file}`;
      });
    });
}

export function bcdbBackupCommand(context: CommandContext): Command {
  return serverCommand('backup', 'Write log and sequencer key to a file: with it the log goes on.')
    .argument('<file>', 'the file to make; keep it as secret as a password')
    .option('--data <folder>', 'of a database that is not running; default: that of `grid up`')
    .option(postgresFlag, postgresHelp)
    .action(async (file: string, options: ExportOptions) => {
      const size = await writeLog(context, file, options, true);
      const result = { schema: 'grid.bcdb.backup.1', file, records: size };
      printResult(context, options, result, () => {
        return [
          `${size} records and the key of the sequencer in ${file}, readable by you only`,
          'The owner comes back with his 24 words; they are not in it.',
        ].join('\n');
      });
    });
}

async function writeLog(
  context: CommandContext,
  file: string,
  options: ExportOptions,
  isBackup: boolean,
): Promise<number> {
  if (isBackup && options.address !== undefined) {
    throw new GridError<GridErrorCode>('GRID_USAGE', 'a backup is made where the database is', {
      hint: 'use grid bcdb export, or --data with the folder',
    });
  }
  const { data } = options;
  const work =
    data === undefined
      ? fromServer(context, file, options, isBackup)
      : fromFolder(file, data, isBackup, options);
  return withProgress(context.terminal, 'writing', work);
}

async function fromFolder(
  file: string,
  data: string,
  isBackup: boolean,
  option: PostgresOption,
): Promise<number> {
  const { exportLog, StoppedFolder } = await import('@commongrid/bcdb');
  await using stopped = await StoppedFolder.open(data, await postgresOf(option));
  const { engine, genesis, log } = stopped;
  const source = { log, genesis, read: (from: number, to: number) => engine.read(from, to) };
  const key = isBackup ? { sequencerKey: stopped.sequencerKey } : {};
  const { size, note } = await stopped.signedHead();
  await writeLines(file, exportLog(source, { size, checkpoint: note, ...key }));
  return size;
}

async function fromServer(
  context: CommandContext,
  file: string,
  options: ExportOptions,
  isBackup: boolean,
): Promise<number> {
  const { BcdbFolder, exportFromServer, loadIdentity } = await import('@commongrid/bcdb');
  const { client } = await connect(context, options);
  const own = new BcdbFolder(new GridHome(context.environment.home).bcdb);
  const key = isBackup ? { sequencerKey: (await loadIdentity(own)).sequencerKey } : {};
  const signal = shutdownSignal();
  const { size, lines } = await exportFromServer(client, { ...key, signal });
  await writeLines(file, lines);
  return size;
}

/** Into a new file that its owner alone may read, which is there once it is whole. */
async function writeLines(file: string, lines: AsyncIterable<string>): Promise<void> {
  const temp = tempBeside(file);
  try {
    await pipeline(lines, createWriteStream(temp, { flags: 'wx', mode: 0o600, flush: true }));
    await link(temp, file);
  } catch (error) {
    throw unwritten(file, error);
  } finally {
    // There may be none; one that is left over has a name of its own and is never read.
    await unlink(temp).catch(() => {});
  }
}
