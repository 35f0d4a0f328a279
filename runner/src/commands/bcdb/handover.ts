import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

import type { HandoverCertificate, HandoverReport, StatedHandover } from '@commongrid/bcdb';
import { GridError, isGridError, writeFileAtomic } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { GridHome } from '../../home.ts';
import { readKeyFile } from '../../key-file.ts';
import { withProgress } from '../../terminal.ts';
import { connect, serverCommand } from './connection.ts';
import type { ServerOptions } from './connection.ts';
import { formatTime } from './options.ts';
import { postgresOf } from './postgres-option.ts';
import type { PostgresOption } from './postgres-option.ts';
import { readJsonFile } from './value-input.ts';

type FolderOptions = JsonOption & PostgresOption & { readonly data: string };
type KeyOption = { readonly keyFile?: string };
type Given<T> = Omit<T, 'data'> & { readonly data?: string };
type HandoverOptions = FolderOptions &
  KeyOption & {
    known?: string;
    knownHandovers?: string;
    statement?: string;
  };

export function bcdbHandoverCommand(context: CommandContext): Command {
  return folderCommand(
    'handover',
    'Hand the log of a stopped database over to a new sequencer key.',
  )
    .option('--key-file <file>', 'key of an admin; default: that of the owner of the grid here')
    .option('--known <file>', 'newest checkpoint that is known of records that are lost')
    .option('--known-handovers <file>', 'answer of /v1/handovers of whoever has the lost records')
    .option('--statement <file>', 'only write what several admins have to sign')
    .addHelpText(
      'after',
      '\nFor a key that is lost or stolen, and after a restore of an older backup. From then on' +
        '\nnothing counts that the former key signs above the end of the log as it is here.',
    )
    .action(async (given: Given<HandoverOptions>) => {
      const options = withFolder(given);
      const { statement: file } = options;
      const stated = await state(options);
      if (file === undefined) await handOver(context, options, stated);
      else await writeStatement(context, options, stated, file);
    })
    .addCommand(signCommand(context))
    .addCommand(applyCommand(context))
    .addCommand(resendCommand(context));
}

function folderCommand(name: string, description: string): Command {
  return resultCommand(name, description)
    .option('--data <folder>', 'of a database that is not running; has to be named')
    .option('--postgres-file <file>', 'as for serve, where the log is in PostgreSQL')
    .option('--single', 'as for serve');
}

/** An option that a command requires would be required of the commands below it, too. */
function withFolder<T extends { readonly data: string }>(given: Given<T>): T {
  const { data } = given;
  if (data !== undefined) return { ...given, data } as T;
  throw new GridError<GridErrorCode>('GRID_USAGE', 'which database? Name its folder with --data', {
    hint: './grid bcdb handover --help',
  });
}

async function state(options: HandoverOptions): Promise<StatedHandover> {
  const { stateHandover } = await import('@commongrid/bcdb');
  const { data, known, knownHandovers: file } = options;
  return stateHandover(data, {
    ...(await postgresOf(options)),
    ...(known === undefined ? {} : { known: await readText(known) }),
    ...(file === undefined ? {} : { knownHandovers: await readJsonFile(file) }),
  });
}

/** The one admin signs here and now. */
async function handOver(
  context: CommandContext,
  options: HandoverOptions,
  { statement, admins }: StatedHandover,
): Promise<void> {
  const { applyHandover, signHandover } = await import('@commongrid/bcdb');
  if (admins.min > 1 && options.keyFile === undefined) {
    throw new GridError<GridErrorCode>('GRID_USAGE', `${admins.min} admins have to sign this`, {
      hint: `./grid bcdb handover --data ${options.data} --statement FILE`,
      details: { ...admins },
    });
  }
  const signed = signHandover({ statement, signatures: [] }, await adminKey(context, options));
  const work = applyHandover(options.data, [signed], await postgresOf(options));
  printDone(context, options, await withProgress(context.terminal, 'handing over', work));
}

async function writeStatement(
  context: CommandContext,
  options: HandoverOptions,
  { statement, admins }: StatedHandover,
  file: string,
): Promise<void> {
  await writeCertificate(file, { statement, signatures: [] });
  const result = { schema: 'grid.bcdb.handover-statement.1', file, statement, admins };
  printResult(context, options, result, () => {
    return [
      describe({ statement, signatures: [] }),
      `${admins.min} of ${admins.signers.length} admins sign it, each a copy or one after the other:`,
      `  ./grid bcdb handover sign ${file} --key-file KEY`,
      `then here: ./grid bcdb handover apply ${file} --data ${options.data}`,
    ].join('\n');
  });
}

function signCommand(context: CommandContext): Command {
  return (
    resultCommand('sign', 'Sign a handover as an admin of the log.')
      .argument('<file>', 'file of `handover --statement`; the signature is added to it')
      .option('--key-file <file>', 'key of an admin; default: that of the owner of the grid here')
      // What a command has in common with the one above it, that one takes.
      .action(async (file: string, _own: unknown, command: Command) => {
        const options = command.optsWithGlobals<JsonOption & KeyOption>();
        const { signHandover } = await import('@commongrid/bcdb');
        const certificate = await readCertificate(file);
        const key = await adminKey(context, options);
        const signed = signHandover(certificate, key);
        await writeCertificate(file, signed);
        const signers = signed.signatures.map((one) => one.key);
        const result = { schema: 'grid.bcdb.handover-sign.1', file, signers, ...signed };
        printResult(context, options, result, () => {
          const own = key.publicKey.text;
          return `${describe(signed)}\nthat of ${own} counts if this key is an admin of the log`;
        });
      })
  );
}

function applyCommand(context: CommandContext): Command {
  return folderCommand('apply', 'Hand the log over by what its admins signed.')
    .argument('<files...>', 'files of `handover sign`')
    .action(async (files: readonly string[], _own: unknown, command: Command) => {
      const options = withFolder(command.optsWithGlobals<Given<FolderOptions>>());
      const { applyHandover } = await import('@commongrid/bcdb');
      const certificates = await Promise.all(files.map(readCertificate));
      const work = applyHandover(options.data, certificates, await postgresOf(options));
      printDone(context, options, await withProgress(context.terminal, 'handing over', work));
    });
}

function resendCommand(context: CommandContext): Command {
  return serverCommand('resend', 'Send records again that a handover gave up, as they were signed.')
    .argument('<file>', 'file lost-SIZE.jsonl that adopting the handover has made')
    .action(async (file: string, _own: unknown, command: Command) => {
      const options = command.optsWithGlobals<ServerOptions>();
      const { lostRecords } = await import('@commongrid/bcdb');
      const { client } = await connect(context, options);
      const refused: { version: string; code: string; message: string }[] = [];
      let taken = 0;
      for await (const { entry, version } of lostRecords(file, client.trust.log)) {
        try {
          await client.append(entry);
          taken++;
        } catch (error) {
          if (!isGridError(error) || error.retryable) throw error;
          refused.push({ version, code: error.code, message: error.message });
        }
      }
      if (refused.length > 0) context.exitStatus = 1;
      const result = { schema: 'grid.bcdb.handover-resend.1', file, taken, refused };
      printResult(context, options, result, () =>
        [
          `${taken} records are in the log again`,
          ...refused.map(({ version, code, message }) => `refused ${version}: ${code}, ${message}`),
        ].join('\n'),
      );
    });
}

function printDone(context: CommandContext, options: FolderOptions, report: HandoverReport): void {
  const result = { schema: 'grid.bcdb.handover.1', data: options.data, ...report };
  printResult(context, options, result, ({ log, size, sequencer }) => {
    return [
      `log ${log} is that of ${sequencer} from record ${size - 1} on`,
      'Start the database again. Who follows it takes the new key by itself; who had records that are',
      'not here says BCDB_HANDED_OVER. Destroy the former key wherever it may still be.',
    ].join('\n');
  });
}

function describe({ statement, signatures }: HandoverCertificate): string {
  const { at, log, size, root, sequencer, lost } = statement;
  return [
    `handover of log ${log}, made ${formatTime(at)}`,
    `stays: ${size} records with root ${root}`,
    ...(lost === undefined ? [] : [`given up: a branch of at least ${lost.size} records`]),
    `new sequencer: ${sequencer}`,
    ...signatures.map(({ key }) => `signed by ${key}`),
  ].join('\n');
}

async function adminKey(context: CommandContext, { keyFile }: KeyOption): Promise<SigningKey> {
  const own = new GridHome(context.environment.home).ownerKeyFile;
  if (keyFile === undefined && !existsSync(own)) {
    throw new GridError<GridErrorCode>('GRID_USAGE', 'whose signature is it?', {
      hint: 'give --key-file with the key of an admin of the log',
    });
  }
  return readKeyFile(keyFile ?? own);
}

async function readCertificate(file: string): Promise<HandoverCertificate> {
  const { decodeCertificate } = await import('@commongrid/bcdb');
  const { schema: _schema, ...certificate } = Object(await readJsonFile(file)) as {
    readonly schema?: unknown;
  };
  return decodeCertificate(certificate);
}

async function writeCertificate(file: string, certificate: HandoverCertificate): Promise<void> {
  const text = JSON.stringify({ schema: 'grid.bcdb.handover-file.1', ...certificate });
  await writeFileAtomic(file, `${text}\n`);
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot read ${file}`, {
      hint: 'name a file that you may read',
      details: { file },
      cause: error,
    });
  }
}
