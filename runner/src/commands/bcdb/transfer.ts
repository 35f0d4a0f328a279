import { createWriteStream } from 'node:fs';
import { link, unlink } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

import type { BcdbFolder } from '@commongrid/bcdb';
import type { BcdbClient } from '@commongrid/bcdb/client';
import { GridError, shutdownSignal } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';
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
    .option('--data <folder>', 'of the database; default: that of `grid up`')
    .option(postgresFlag, postgresHelp)
    .addHelpText(
      'after',
      '\nWhile the database runs, name its --address, too: the key comes from the folder, the log from' +
        '\nthere, as --token-file or --key-file may read it.',
    )
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
  const { data, address } = options;
  if (isBackup && address !== undefined && data === undefined) {
    throw new GridError<GridErrorCode>('GRID_USAGE', 'the key of the sequencer is in the folder', {
      hint: 'on the machine of the database add --data; elsewhere use grid bcdb export',
    });
  }
  if (!isBackup && address !== undefined && data !== undefined) {
    throw new GridError<GridErrorCode>('GRID_USAGE', 'name --address or --data, not both', {
      hint: '--data is for a database that is not running',
    });
  }
  const work =
    data === undefined || address !== undefined
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
  const { BcdbFolder, exportFromServer } = await import('@commongrid/bcdb');
  const folder = new BcdbFolder(options.data ?? new GridHome(context.environment.home).bcdb);
  const { client } = await connect(context, withGenesis(folder, options));
  const key = isBackup ? { sequencerKey: await sequencerKeyIn(folder, client) } : {};
  const signal = shutdownSignal();
  const { size, lines } = await exportFromServer(client, { ...key, signal });
  await writeLines(file, lines);
  return size;
}

/** Who has the folder knows the log from there. */
function withGenesis({ genesis: own }: BcdbFolder, options: ExportOptions): ExportOptions {
  const { data, genesis, log } = options;
  return data === undefined || genesis !== undefined || log !== undefined
    ? options
    : { ...options, genesis: own };
}

/** The key in a folder, which a server may use meanwhile. @throws BCDB_FOLDER_DAMAGED, GRID_USAGE */
export async function sequencerKeyIn(
  folder: BcdbFolder,
  { trust }: BcdbClient,
): Promise<SigningKey> {
  const { loadIdentity } = await import('@commongrid/bcdb');
  const { newestSequencer } = await import('@commongrid/bcdb/browser');
  const { sequencerKey } = await loadIdentity(folder);
  const sequencer = newestSequencer(trust);
  if (sequencerKey.publicKey.text === sequencer) return sequencerKey;
  throw new GridError<GridErrorCode>(
    'GRID_USAGE',
    `the log is that of ${sequencer}, whose key is not in ${folder.path}`,
    { hint: 'name the folder that the server at this address was started with' },
  );
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
