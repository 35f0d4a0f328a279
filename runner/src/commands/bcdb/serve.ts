import { once } from 'node:events';

import type { BcdbServerOptions } from '@commongrid/bcdb';
import { createLogger, shutdownSignal } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import { readKeyFile } from '../../key-file.ts';
import { readSecret } from '../zdb/connection.ts';
import { doorLines, doorsOf, openDoorsOf, withDoors } from './doors.ts';
import type { DoorFlags, OpenDoors } from './doors.ts';
import { postgresOf } from './postgres-option.ts';
import type { PostgresOption } from './postgres-option.ts';

type ServeOptions = JsonOption &
  DoorFlags &
  PostgresOption & {
    readonly data: string;
    readonly ownerKeyFile: string;
    readonly ownerTokenFile?: string;
    readonly releaseKeyFile?: string;
    readonly open?: true;
    readonly gridTypes?: true;
  };

interface ServeReport extends OpenDoors {
  readonly schema: 'grid.bcdb.serve.1';
  readonly log: string;
  readonly sequencer: string;
  readonly dataDir: string;
}

export function bcdbServeCommand(context: CommandContext): Command {
  const command = resultCommand('serve', 'Run a BCDB on a folder until SIGTERM.')
    .requiredOption('--data <folder>', 'where it keeps its data; made when missing')
    .requiredOption('--owner-key-file <file>', 'the key of the owner, admin of a new log')
    .option('--owner-token-file <file>', 'who shows this token acts as the owner')
    .option('--release-key-file <file>', 'the key by which a new log has releases signed')
    .option('--postgres-file <file>', 'keep the log in PostgreSQL; a connection string a line')
    .option('--single', 'do without a synchronous standby: what the one server loses is lost')
    .option('--open', 'a new log lets any key make namespaces')
    .option('--grid-types', 'make the namespaces `grid` and `me` with the types of the grid');
  return withDoors(command)
    .addHelpText('after', '\nMake keys with: grid bcdb key new FILE')
    .action(async (options: ServeOptions) => {
      await serve(context, options);
    });
}

async function serve(context: CommandContext, options: ServeOptions): Promise<void> {
  const signal = shutdownSignal();
  const { BcdbServer } = await import('@commongrid/bcdb');
  const { makeGridNamespaces } = await import('./grid-types.ts');
  await using server = await BcdbServer.open({
    ...(await serverOptionsOf(context, options)),
    ...(options.gridTypes === true ? { beforeDoors: makeGridNamespaces } : {}),
  });
  const { bcdb } = server;
  const report: ServeReport = {
    schema: 'grid.bcdb.serve.1',
    log: bcdb.log,
    sequencer: bcdb.sequencer,
    ...openDoorsOf(server),
    dataDir: options.data,
  };
  printResult(context, options, report, describe);
  if (signal.aborted) return;
  const failure = await Promise.race([bcdb.failed, once(signal, 'abort').then(() => undefined)]);
  // Opening again is a start anew: who supervises this process does that, and waits in between.
  if (failure !== undefined) throw failure;
}

async function serverOptionsOf(
  { environment }: CommandContext,
  options: ServeOptions,
): Promise<BcdbServerOptions> {
  const { data, ownerKeyFile, ownerTokenFile, releaseKeyFile } = options;
  const releaseKey = releaseKeyFile === undefined ? undefined : await readKeyFile(releaseKeyFile);
  return {
    dataDir: data,
    owner: await readKeyFile(ownerKeyFile),
    ...(ownerTokenFile === undefined ? {} : { ownerToken: await readSecret(ownerTokenFile) }),
    ...(await doorsOf(options)),
    ...(await postgresOf(options)),
    releaseKeys: releaseKey === undefined ? [] : [releaseKey.publicKey.text],
    isOpen: options.open === true,
    logger: createLogger('bcdb', { level: environment.logLevel }),
  };
}

function describe(report: ServeReport): string {
  return [`BCDB serves ${report.dataDir}, log ${report.log}`, ...doorLines(report)].join('\n');
}
