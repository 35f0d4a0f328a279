import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';

import type { BcdbServer, ReplicaServerOptions } from '@commongrid/bcdb';
import type { HttpLogSource } from '@commongrid/bcdb/client';
import { createLogger, GridError, isGridError, shutdownSignal } from '@commongrid/base';
import type { Command } from 'commander';

import { trustOfGenesis } from '../../bcdb-trust.ts';
import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { readKeyFile } from '../../key-file.ts';
import { readSecret } from '../zdb/connection.ts';
import { parseHash } from './connection.ts';
import { parseDoor } from './options.ts';
import { doorLines, doorsOf, openDoorsOf, withDoors } from './doors.ts';
import type { DoorFlags, OpenDoors } from './doors.ts';

type ReplicaOptions = JsonOption &
  DoorFlags & {
    readonly from: string;
    readonly tokenFile?: string;
    readonly keyFile?: string;
    readonly genesis?: string;
    readonly log?: string;
    readonly readerTokenFile?: string;
    readonly adoptHandover?: true;
  };

interface ReplicaReport extends OpenDoors {
  readonly schema: 'grid.bcdb.replica.1';
  readonly log: string;
  /** Address of the database that it copies. */
  readonly from: string;
  readonly dataDir: string;
}

export function bcdbReplicaCommand(context: CommandContext): Command {
  const command = resultCommand(
    'replica',
    'Keep and serve a full copy of a database, which verifies all that it takes.',
  )
    .argument('<folder>', 'where the copy is; made when missing')
    .requiredOption('--from <url>', 'HTTP door of the database, or of another copy', parseDoor)
    .option('--genesis <file>', 'the first time: genesis.json of the log that it must have')
    .option('--log <hash>', 'or the hash of that genesis', parseHash)
    .option('--key-file <file>', 'a key that may read every namespace')
    .option('--token-file <file>', 'or the token of the owner of the database')
    .option('--reader-token-file <file>', 'who shows this token reads all of the copy')
    .option(
      '--adopt-handover',
      'where a handover of the log gave up records of this copy, go on without them',
    );
  return withDoors(command)
    .addHelpText('after', '\nIt takes no writes: they go to the database that it copies.')
    .action(async (folder: string, options: ReplicaOptions) => {
      await replicate(context, folder, options);
    });
}

async function replicate(
  context: CommandContext,
  dataDir: string,
  options: ReplicaOptions,
): Promise<void> {
  const signal = shutdownSignal();
  const { BcdbServer } = await import('@commongrid/bcdb');
  const known = await knownLog(dataDir, options);
  const source = await sourceOf(known.log, options);
  const genesis = known.genesis ?? (await genesisFrom(source, signal));
  const serverOptions: ReplicaServerOptions = {
    ...{ dataDir, genesis, log: known.log, source, sequencer: options.from },
    ...(await doorsOf(options)),
    ...(options.readerTokenFile === undefined
      ? {}
      : { ownerToken: await readSecret(options.readerTokenFile) }),
    logger: createLogger('bcdb', { level: context.environment.logLevel }),
  };
  let addresses: Partial<ReplicaServerOptions> = {};
  {
    await using server = await BcdbServer.openReplica(serverOptions);
    addresses = addressesOf(server);
    const report: ReplicaReport = {
      schema: 'grid.bcdb.replica.1',
      ...{ log: known.log, from: options.from, ...openDoorsOf(server), dataDir },
    };
    printResult(context, options, report, describe);
    const waited = options.adoptHandover === true ? [server.bcdb.replica.handedOver] : [];
    const ended = await endOf(server, signal, waited);
    if (ended === undefined) return;
    await server.close();
    await adopt(context, dataDir, ended);
  }
  // Once: a source that makes this copy give up records again and again would fill the disk.
  await using server = await BcdbServer.openReplica({ ...serverOptions, ...addresses });
  await endOf(server, signal);
}

type Server = Awaited<ReturnType<typeof BcdbServer.openReplica>>;

/**
 * Waits until the copy shall end, or one of the other reasons comes, which is returned.
 * @throws why it has to be opened again: who supervises this process does that, and waits in between
 */
async function endOf(
  { bcdb }: Server,
  signal: AbortSignal,
  reasons: readonly Promise<GridError>[] = [],
): Promise<GridError | undefined> {
  if (signal.aborted) return undefined;
  const ended = once(signal, 'abort').then(() => undefined);
  const failure = await Promise.race([bcdb.failed, ended, ...reasons]);
  if (failure === undefined || isGridError(failure, 'BCDB_HANDED_OVER')) return failure;
  throw failure;
}

/** What was given up stays beside, and is listed. */
async function adopt(context: CommandContext, dataDir: string, halt: GridError): Promise<void> {
  const { adoptHandover } = await import('@commongrid/bcdb');
  const { kept, lost, lostFile } = await adoptHandover(dataDir, halt.details['succession']);
  const where = lostFile === undefined ? '' : `: they are in ${lostFile}`;
  context.terminal.note(`${kept} records stay, ${lost} were given up${where}`);
}

/** Doors open again where they were, also those that had taken any free port. */
function addressesOf({
  httpAddress: http,
  redisAddress: redis,
  metricsAddress: metrics,
}: Server): Pick<ReplicaServerOptions, 'http' | 'redis' | 'metrics'> {
  return {
    http,
    ...(redis === undefined ? {} : { redis }),
    ...(metrics === undefined ? {} : { metrics }),
  };
}

type Genesis = ReplicaServerOptions['genesis'];

/** What is known of the log without asking anybody. @throws GRID_TRUST_UNKNOWN */
async function knownLog(
  dataDir: string,
  { genesis, log }: ReplicaOptions,
): Promise<{ readonly log: string; readonly genesis?: Genesis }> {
  const { BcdbFolder } = await import('@commongrid/bcdb');
  const own = new BcdbFolder(dataDir).genesis;
  const file = genesis ?? (existsSync(own) ? own : undefined);
  if (file !== undefined) {
    const found = await trustOfGenesis(file);
    const text = await readFile(file, 'utf8');
    return { log: log ?? found.log, genesis: JSON.parse(text) as Genesis };
  }
  if (log !== undefined) return { log };
  throw new GridError<GridErrorCode>(
    'GRID_TRUST_UNKNOWN',
    'which log is it? Nothing is believed on first use',
    { hint: 'give --genesis or --log, as whoever runs the database told you' },
  );
}

/** The source shows how its log began; it counts only if it hashes to the log. */
async function genesisFrom(source: HttpLogSource, signal: AbortSignal): Promise<Genesis> {
  const { genesis } = (await source.succession(signal)) as { readonly genesis: string };
  return JSON.parse(genesis) as Genesis;
}

async function sourceOf(
  log: string,
  { from, tokenFile, keyFile }: ReplicaOptions,
): Promise<HttpLogSource> {
  if ((tokenFile === undefined) === (keyFile === undefined)) {
    throw new GridError<GridErrorCode>(
      'GRID_USAGE',
      'name --key-file or --token-file, one of them',
    );
  }
  const { HttpLogSource: Source } = await import('@commongrid/bcdb/client');
  return new Source({
    ...{ url: from, log },
    ...(tokenFile === undefined ? {} : { token: await readSecret(tokenFile) }),
    ...(keyFile === undefined ? {} : { key: await readKeyFile(keyFile) }),
  });
}

function describe(report: ReplicaReport): string {
  const { dataDir, log, from } = report;
  const lines = [`${dataDir} is a copy of log ${log}`, `it follows ${from}`, ...doorLines(report)];
  return [...lines, `how it stands: http://${report.http}/v1/replica`].join('\n');
}
