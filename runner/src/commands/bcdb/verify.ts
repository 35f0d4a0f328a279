import { GridError, shutdownSignal } from '@commongrid/base';
import { verifyRecordProof } from '@commongrid/bcdb/browser';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import type { Style } from '../../terminal.ts';
import { withProgress } from '../../terminal.ts';
import { withByteProgress } from '../../byte-progress.ts';
import { givenTrust, parseHash, parseKey } from './connection.ts';
import type { TrustOptions } from './connection.ts';
import { postgresFlag, postgresHelp, postgresOf } from './postgres-option.ts';
import type { PostgresOption } from './postgres-option.ts';
import { describeRecord } from './prove.ts';
import { readJsonFile } from './value-input.ts';

type VerifyOptions = JsonOption &
  PostgresOption & {
    readonly proof?: string;
    readonly data?: string;
  } & TrustOptions;

/** What verifying a whole log gives. */
interface LogReport {
  readonly log: string;
  readonly verified: number;
  readonly erased: number;
  readonly fault:
    | { readonly seq: number; readonly message: string; readonly code: string }
    | undefined;
  readonly findings?: readonly string[];
}

export function bcdbVerifyCommand(context: CommandContext): Command {
  return resultCommand('verify', 'Verify an export, a proof or a stopped folder, with no server.')
    .argument('[export]', 'file of `export` or `backup`: every record and every rule')
    .option('--proof <file>', 'file of `prove`: one record')
    .option('--data <folder>', 'folder of a database that is not running')
    .option(postgresFlag, postgresHelp)
    .option('--genesis <file>', 'genesis.json of the log that it must be')
    .option('--log <hash>', 'or the hash of that genesis', parseHash)
    .option('--sequencer <key>', 'and the key that signs its checkpoints', parseKey)
    .addHelpText('after', '\nExit status 0 when all is sound, 1 when something is not.')
    .action(async (file: string | undefined, options: VerifyOptions) => {
      const { proof, data } = options;
      const given = [file, proof, data].filter((one) => one !== undefined);
      if (given.length !== 1) {
        throw usage('name one of: an export, --proof FILE, --data FOLDER');
      }
      if (proof !== undefined) await verifyProof(context, proof, options);
      else if (data !== undefined) await verifyData(context, data, options);
      else await verifyFile(context, file ?? '', options);
    });
}

async function verifyProof(
  context: CommandContext,
  file: string,
  options: VerifyOptions,
): Promise<void> {
  const trust = await givenTrust(options);
  if (trust === undefined) {
    throw usage('a proof shows something only to who has --genesis, or --log and --sequencer');
  }
  const record = verifyRecordProof(await readJsonFile(file), trust);
  const { envelope, version, seq, head, payload } = record;
  const text = payload === undefined ? {} : { payload: new TextDecoder().decode(payload) };
  const result = { schema: 'grid.bcdb.verify-proof.1', seq, version, head, envelope, ...text };
  printResult(context, options, result, () => {
    return `${context.terminal.style.good('proven')}: ${describeRecord(record)}`;
  });
}

async function verifyFile(
  context: CommandContext,
  file: string,
  options: VerifyOptions,
): Promise<void> {
  const { verifyExport } = await import('@commongrid/bcdb');
  const log = options.log ?? (await givenTrust(options))?.log;
  const report = await withByteProgress(context.terminal, 'verifying', (onProgress) =>
    verifyExport(file, {
      onProgress,
      signal: shutdownSignal(),
      ...(log === undefined ? {} : { log }),
    }),
  );
  print(context, options, report, '');
}

async function verifyData(
  context: CommandContext,
  folder: string,
  options: VerifyOptions,
): Promise<void> {
  const { verifyFolder } = await import('@commongrid/bcdb');
  const work = verifyFolder(folder, {
    signal: shutdownSignal(),
    ...(await postgresOf(options)),
  });
  const report = await withProgress(context.terminal, 'verifying', work);
  print(context, options, report, folder);
}

function print(
  context: CommandContext,
  options: VerifyOptions,
  report: LogReport,
  folder: string,
): void {
  const isSound = report.fault === undefined && (report.findings ?? []).length === 0;
  if (!isSound) context.exitStatus = 1;
  const result = { ...report, schema: 'grid.bcdb.verify.1', isSound };
  const { style } = context.terminal;
  printResult(context, options, result, () => describe(report, folder, style));
}

function describe(report: LogReport, folder: string, style: Style): string {
  const { log, verified, erased, fault, findings = [] } = report;
  if (fault !== undefined) {
    return [
      `${style.bad('damaged')}: record ${fault.seq} is the first that is wrong`,
      `${fault.code}: ${fault.message}`,
      `verified before it: ${verified} records of log ${log}`,
    ].join('\n');
  }
  const gone = erased === 0 ? '' : `, ${erased} payloads erased`;
  const total = `${verified} records of log ${log}${gone}`;
  if (findings.length === 0) return `${style.good('sound')}: ${total}`;
  return [
    `the log is ${style.good('sound')}: ${total}`,
    ...findings.map((finding) => `${style.bad('differs')}: ${finding}`),
    `next: ./grid bcdb rebuild --data ${folder}`,
  ].join('\n');
}

function usage(message: string): GridError<GridErrorCode> {
  return new GridError('GRID_USAGE', message, { hint: './grid bcdb verify --help' });
}
