import { once } from 'node:events';

import { createLogger, formatBytes, parseBytes, shutdownSignal } from '@commongrid/base';
import type { ZdbServerOptions } from '@commongrid/zdb';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import { parseAddress, readSecret, tlsTrust } from './connection.ts';
import type { Address } from './connection.ts';

type ServeOptions = JsonOption & {
  readonly data: string;
  readonly listen?: readonly Address[];
  readonly socket?: string;
  readonly adminPasswordFile?: string;
  readonly protect?: true;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly metrics?: Address;
  readonly durability?: 'always' | 'everysec' | 'os';
  readonly mode?: 'mixed' | 'user' | 'seq';
  readonly segmentSize?: number;
  readonly readOnly?: true;
  readonly replicaOf?: Address;
  readonly replicaPasswordFile?: string;
  readonly replicaTlsCa?: string;
  readonly replicaTlsPin?: string;
  readonly minReplicas?: number;
  readonly scrubDays?: number;
  readonly scrubRate?: number;
  readonly scrubHours?: HourRange;
  readonly compactHours?: HourRange;
  readonly webhook?: string;
};

type HourRange = readonly [number, number];

const DAY_MS = 86_400_000;

interface ServeReport {
  readonly schema: 'grid.zdb.serve.1';
  readonly addresses: readonly string[];
  readonly metrics: string | null;
  readonly dataDir: string;
}

export function zdbServeCommand(context: CommandContext): Command {
  const durability = new Option('--durability <when>', 'what a reply to a write promises')
    .choices(['always', 'everysec', 'os'])
    .default('always');
  const mode = new Option('--mode <mode>', 'who makes the keys')
    .choices(['mixed', 'user', 'seq'])
    .default('mixed');
  return resultCommand('serve', 'Run a Zero-DB on a folder until SIGTERM.')
    .requiredOption('--data <folder>', 'where it keeps its data; made when missing')
    .option(
      '--listen <host:port>',
      'address to listen on, may be repeated; port 0: a free one',
      addAddress,
    )
    .option('--socket <path>', 'Unix socket to listen on')
    .option('--admin-password-file <file>', 'file with the admin password; needed off loopback')
    .option('--protect', 'with a password: everybody may still read the default namespace')
    .option('--tls-cert <file>', 'certificate, PEM: speak TLS only')
    .option('--tls-key <file>', 'its key, PEM')
    .option('--metrics <host:port>', 'address of the Prometheus metrics', parseAddress)
    .addOption(durability)
    .addOption(mode)
    .option('--segment-size <size>', 'largest segment file, 1MiB to 256MiB', parseSize)
    .option('--read-only', 'refuse writes')
    .option('--webhook <url>', 'receives events as JSON by POST')
    .option('--replica-of <host:port>', 'follow the log of this server', parseAddress)
    .option('--replica-password-file <file>', 'file with its admin password; default: the own one')
    .option('--replica-tls-ca <file>', 'it speaks TLS; the authority that signed, as PEM')
    .option('--replica-tls-pin <sha256>', 'it speaks TLS; the fingerprint to trust')
    .option(
      '--min-replicas <n>',
      'replicas that must have a write before it is answered',
      parseCount,
    )
    .option('--scrub-days <n>', 'check all segments every so many days; 0: never', parseCount)
    .option('--scrub-rate <size>', 'most that a scrub reads in a second', parseSize)
    .option('--scrub-hours <from-to>', 'only in these hours of the day, UTC', parseHours)
    .option('--compact-hours <from-to>', 'the same for compaction that is not urgent', parseHours)
    .action(async (options: ServeOptions) => {
      await serve(context, options);
    });
}

async function serve(context: CommandContext, options: ServeOptions): Promise<void> {
  const signal = shutdownSignal();
  const serverOptions = await serverOptionsOf(context, options);
  const { ZdbServer } = await import('@commongrid/zdb');
  await using server = await ZdbServer.open(serverOptions);
  const { metricsAddress } = server;
  const report: ServeReport = {
    schema: 'grid.zdb.serve.1',
    addresses: [
      ...server.addresses.map(formatAddress),
      ...(options.socket === undefined ? [] : [options.socket]),
    ],
    metrics: metricsAddress === undefined ? null : formatAddress(metricsAddress),
    dataDir: options.data,
  };
  printResult(context, options, report, describe);
  if (!signal.aborted) await once(signal, 'abort');
}

async function serverOptionsOf(
  { environment }: CommandContext,
  options: ServeOptions,
): Promise<ZdbServerOptions> {
  const { socket, adminPasswordFile, tlsCert, tlsKey, metrics, segmentSize, webhook } = options;
  const usual = socket === undefined ? [{ host: '127.0.0.1', port: 9900 }] : [];
  return {
    dataDir: options.data,
    listen: options.listen ?? usual,
    ...(socket === undefined ? {} : { socketPath: socket }),
    ...(adminPasswordFile === undefined
      ? {}
      : { adminPassword: await readSecret(adminPasswordFile) }),
    protect: options.protect === true,
    ...(tlsCert === undefined && tlsKey === undefined
      ? {}
      : { tls: { certFile: tlsCert ?? '', keyFile: tlsKey ?? '' } }),
    ...(metrics === undefined ? {} : { metrics }),
    ...(options.durability === undefined ? {} : { durability: options.durability }),
    ...(options.mode === undefined ? {} : { mode: options.mode }),
    ...(segmentSize === undefined ? {} : { segmentBytes: segmentSize }),
    isReadOnly: options.readOnly === true,
    ...(await replicationOf(options)),
    ...quietWorkOf(options),
    ...(webhook === undefined ? {} : { webhookUrl: webhook }),
    logger: createLogger('zdb', { level: environment.logLevel }),
  };
}

async function replicationOf(options: ServeOptions): Promise<Partial<ZdbServerOptions>> {
  const { replicaOf, replicaPasswordFile, replicaTlsCa, replicaTlsPin, minReplicas } = options;
  const replicaTls = await tlsTrust(replicaTlsCa, replicaTlsPin);
  return {
    ...(replicaOf === undefined ? {} : { replicaOf }),
    ...(replicaPasswordFile === undefined
      ? {}
      : { replicaPassword: await readSecret(replicaPasswordFile) }),
    ...(replicaTls === undefined ? {} : { replicaTls }),
    ...(minReplicas === undefined ? {} : { minReplicas }),
  };
}

function quietWorkOf(options: ServeOptions): Partial<ZdbServerOptions> {
  const { scrubDays, scrubRate, scrubHours, compactHours } = options;
  return {
    ...(scrubDays === undefined ? {} : { scrubEveryMs: scrubDays * DAY_MS }),
    ...(scrubRate === undefined ? {} : { scrubBytesPerSecond: scrubRate }),
    ...(scrubHours === undefined ? {} : { scrubHours }),
    ...(compactHours === undefined ? {} : { compactHours }),
  };
}

function describe({ addresses, metrics, dataDir }: ServeReport): string {
  return [
    `Zero-DB serves ${dataDir} on ${addresses.join(', ')}`,
    ...(metrics === null ? [] : [`metrics: http://${metrics}/metrics`]),
  ].join('\n');
}

function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function addAddress(text: string, before: readonly Address[] | undefined): readonly Address[] {
  return [...(before ?? []), parseAddress(text)];
}

function parseCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('give a whole number');
  return Number(text);
}

/** Reads `22-6`: from 22 h to 6 h. */
function parseHours(text: string): HourRange {
  const match = /^(\d{1,2})-(\d{1,2})$/.exec(text);
  const hours: HourRange = [Number(match?.[1]), Number(match?.[2])];
  if (!hours.every((hour) => hour <= 24)) {
    throw new InvalidArgumentError('give two hours such as 22-6');
  }
  return hours;
}

function parseSize(text: string): number {
  try {
    return parseBytes(text);
  } catch {
    throw new InvalidArgumentError(`give a size such as ${formatBytes(64 * 1024 * 1024)}`);
  }
}
