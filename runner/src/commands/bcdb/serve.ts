import { once } from 'node:events';
import { readFile } from 'node:fs/promises';

import type { BcdbServerOptions } from '@commongrid/bcdb';
import { createLogger, shutdownSignal } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import { readKeyFile } from '../../key-file.ts';
import { parseAddress, readSecret } from '../zdb/connection.ts';
import type { Address } from '../zdb/connection.ts';
import { postgresOf } from './postgres-option.ts';
import type { PostgresOption } from './postgres-option.ts';

type ServeOptions = JsonOption &
  PostgresOption & {
    readonly data: string;
    readonly ownerKeyFile: string;
    readonly ownerTokenFile?: string;
    readonly http: Address;
    readonly allowOrigin?: readonly string[];
    readonly redis?: Address;
    readonly tlsCert?: string;
    readonly tlsKey?: string;
    readonly metrics?: Address;
    readonly open?: true;
    readonly gridTypes?: true;
  };

interface ServeReport {
  readonly schema: 'grid.bcdb.serve.1';
  readonly log: string;
  readonly sequencer: string;
  readonly http: string;
  readonly redis: string | null;
  readonly metrics: string | null;
  readonly dataDir: string;
}

export function bcdbServeCommand(context: CommandContext): Command {
  return resultCommand('serve', 'Run a BCDB on a folder until SIGTERM.')
    .requiredOption('--data <folder>', 'where it keeps its data; made when missing')
    .requiredOption('--owner-key-file <file>', 'the key of the owner, admin of a new log')
    .option('--owner-token-file <file>', 'who shows this token acts as the owner')
    .option('--http <host:port>', 'address of the HTTP door', parseAddress, {
      host: '127.0.0.1',
      port: 6381,
    })
    .option('--allow-origin <origins...>', 'pages that may use it: https://app.example.org')
    .option('--redis <host:port>', 'address of the Redis protocol; none without it', parseAddress)
    .option('--tls-cert <file>', 'certificate, PEM: the Redis protocol speaks TLS')
    .option('--tls-key <file>', 'its key, PEM')
    .option('--metrics <host:port>', 'address of the Prometheus metrics', parseAddress)
    .option('--postgres-file <file>', 'keep the log in PostgreSQL; a connection string a line')
    .option('--single', 'do without a synchronous standby: what the one server loses is lost')
    .option('--open', 'a new log lets any key make namespaces')
    .option('--grid-types', 'make the namespaces `grid` and `me` with the types of the grid')
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
  const { bcdb, httpAddress, redisAddress, metricsAddress } = server;
  const report: ServeReport = {
    schema: 'grid.bcdb.serve.1',
    log: bcdb.log,
    sequencer: bcdb.sequencer,
    http: formatAddress(httpAddress),
    redis: redisAddress === undefined ? null : formatAddress(redisAddress),
    metrics: metricsAddress === undefined ? null : formatAddress(metricsAddress),
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
  const { data, ownerKeyFile, ownerTokenFile, http, allowOrigin } = options;
  const { redis, tlsCert, tlsKey, metrics } = options;
  return {
    dataDir: data,
    owner: await readKeyFile(ownerKeyFile),
    ...(ownerTokenFile === undefined ? {} : { ownerToken: await readSecret(ownerTokenFile) }),
    http,
    ...(allowOrigin === undefined ? {} : { origins: allowOrigin }),
    ...(redis === undefined ? {} : { redis }),
    ...(tlsCert === undefined || tlsKey === undefined
      ? {}
      : { redisTls: { cert: await readFile(tlsCert), key: await readFile(tlsKey) } }),
    ...(metrics === undefined ? {} : { metrics }),
    ...(await postgresOf(options)),
    isOpen: options.open === true,
    logger: createLogger('bcdb', { level: environment.logLevel }),
  };
}

function describe({ dataDir, log, http, redis, metrics }: ServeReport): string {
  return [
    `BCDB serves ${dataDir}, log ${log}`,
    `HTTP: http://${http}`,
    ...(redis === null ? [] : [`Redis protocol: ${redis}`]),
    ...(metrics === null ? [] : [`metrics: http://${metrics}/metrics`]),
  ].join('\n');
}

function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
