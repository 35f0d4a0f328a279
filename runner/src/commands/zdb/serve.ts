import { once } from 'node:events';

import { createLogger, formatBytes, parseBytes, shutdownSignal } from '@commongrid/base';
import type { ZdbServerOptions } from '@commongrid/zdb';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import { parseAddress, readSecret } from './connection.ts';
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
  readonly webhook?: string;
};

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
    ...(webhook === undefined ? {} : { webhookUrl: webhook }),
    logger: createLogger('zdb', { level: environment.logLevel }),
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

function parseSize(text: string): number {
  try {
    return parseBytes(text);
  } catch {
    throw new InvalidArgumentError(`give a size such as ${formatBytes(64 * 1024 * 1024)}`);
  }
}
