import { once } from 'node:events';
import { join } from 'node:path';

import { createLogger, GridError, shutdownSignal } from '@commongrid/base';
import type { AnchorLog, S3HeadOptions } from '@commongrid/s3';
import type { Command } from 'commander';

import { bcdbAnchorLog } from '../../anchor-log.ts';
import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { Environment } from '../../environment.ts';
import type { GridErrorCode } from '../../errors.ts';
import { parseDoor } from '../bcdb/options.ts';
import { parseAddress, readSecret } from '../zdb/connection.ts';
import type { Address } from '../zdb/connection.ts';
import { addContractStore, followContract } from '../zstor/contract-store.ts';
import type { ContractStoreOptions, StoreLife } from '../zstor/contract-store.ts';
import { formatShards, parseShards, usualShape, usualShards } from '../zstor/store.ts';
import type { Shards } from '../zstor/store.ts';

type ServeOptions = JsonOption &
  ContractStoreOptions & {
    readonly backends?: string;
    readonly data: string;
    readonly key?: string;
    readonly listen: Address;
    readonly policy: Shards;
    readonly region: string;
    readonly domain?: readonly string[];
    readonly address?: Address;
    readonly passive?: Address;
    readonly metrics?: Address;
    readonly anchor?: string;
    readonly anchorTokenFile?: string;
    readonly anchorGenesis?: string;
    readonly accessLog?: string;
    readonly trustedProxy?: readonly string[];
    readonly firstKeyFile?: string;
  };

interface ServeReport {
  readonly schema: 'grid.s3.serve.1';
  readonly endpoint: string;
  readonly region: string;
  readonly policy: string;
  readonly metrics: string | null;
}

export function s3ServeCommand(context: CommandContext): Command {
  const command = resultCommand(
    'serve',
    'Run a head of S3 until SIGTERM; the first run makes the store.',
  )
    .option('--backends <file>', 'the Zero-DBs of the store, a list in JSON')
    .requiredOption('--data <folder>', 'where its tables are kept here; made when missing')
    .option('--key <file>', 'the key of the store; default: `key` in that folder')
    .option(
      '--listen <host:port>',
      'address to listen on; port 0: a free one',
      parseAddress,
      usualAddress,
    )
    .option('--policy <k+m>', 'data and parity shards of new objects', parseShards, usualShards)
    .option('--region <name>', 'the region that clients sign for', 'us-east-1')
    .option('--domain <name>', 'name whose sub-domains are buckets, may be repeated', addName)
    .option('--address <host:port>', 'where others find this head; default: --listen', parseAddress)
    .option(
      '--passive <host:port>',
      'stand by while the head there serves; default: the one that served last',
      parseAddress,
    )
    .option('--metrics <host:port>', 'address of the Prometheus metrics', parseAddress)
    .option('--anchor <url>', 'HTTP door of a BCDB that says daily what there is', parseDoor)
    .option('--anchor-token-file <file>', 'the token of its owner, who signs')
    .option('--anchor-genesis <file>', 'genesis.json of its log')
    .option('--access-log <file>', 'a line for each request, as server access logs have them')
    .option(
      '--trusted-proxy <address>',
      'a proxy that ends TLS and says who asks, may be repeated',
      addName,
    )
    .option('--first-key-file <file>', 'ACCESS-KEY:SECRET of the first user of a new store');
  return addContractStore(command).action(async (options: ServeOptions) => {
    await serve(context, options);
  });
}

const usualAddress: Address = { host: '127.0.0.1', port: 9000 };

async function serve(context: CommandContext, options: ServeOptions): Promise<void> {
  const signal = shutdownSignal();
  const { S3Head } = await import('@commongrid/s3');
  await using stack = new AsyncDisposableStack();
  const backends = await backendsOf(context, options, { stack, signal });
  const head = stack.use(
    await S3Head.open(await headOptionsOf(context, { ...options, backends }, signal)),
  );
  const report: ServeReport = {
    schema: 'grid.s3.serve.1',
    endpoint: `http://${formatAddress({ host: options.listen.host, port: head.port })}`,
    region: options.region,
    policy: formatShards(options.policy),
    metrics: head.metricsAddress === undefined ? null : formatAddress(head.metricsAddress),
  };
  printResult(context, options, report, describe);
  if (!signal.aborted) await once(signal, 'abort');
}

async function headOptionsOf(
  { environment }: CommandContext,
  options: ServeOptions & { readonly backends: string },
  signal: AbortSignal,
): Promise<S3HeadOptions> {
  const { checkPolicy } = await import('@commongrid/zstor');
  const { backends, data, key = join(data, 'key'), listen, region } = options;
  const { domain: domains, passive, trustedProxy: trustedProxies, firstKeyFile } = options;
  const address = options.address ?? ownAddress(environment, listen);
  const { metrics, accessLog } = options;
  return {
    ...{ folder: data, backendsFile: backends, keyFile: key, ...listen, region, signal },
    policy: checkPolicy({ ...usualShape, ...options.policy }),
    ...(domains === undefined ? {} : { domains }),
    ...(trustedProxies === undefined ? {} : { trustedProxies }),
    ...(address === undefined ? {} : { address: formatAddress(address) }),
    ...(passive === undefined ? {} : { passive: formatAddress(passive) }),
    ...{ metrics, accessLog, anchorLog: anchorLogOf(options) },
    ...(firstKeyFile === undefined ? {} : { firstKey: await readFirstKey(firstKeyFile) }),
    logger: createLogger('s3', { level: environment.logLevel }),
  };
}

/** @throws GRID_USAGE unless there is one word of where the backends are */
async function backendsOf(
  context: CommandContext,
  options: ServeOptions,
  until: StoreLife,
): Promise<string> {
  const { backends, contract, data } = options;
  if ((backends === undefined) === (contract === undefined)) {
    throw new GridError<GridErrorCode>('GRID_USAGE', 'name one of --backends and --contract');
  }
  return backends ?? followContract(context, options, join(data, 'backends.json'), until);
}

/** Where a workload is found that publishes its port under the same number. */
function ownAddress({ workload }: Environment, { port }: Address): Address | undefined {
  const host = workload?.address;
  return host === undefined ? undefined : { host, port };
}

/** @throws GRID_FILE_UNREADABLE */
async function readFirstKey(file: string): Promise<S3HeadOptions['firstKey']> {
  const text = await readSecret(file);
  const at = text.indexOf(':');
  if (at > 0) return { accessKey: text.slice(0, at), secretKey: text.slice(at + 1) };
  throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `${file} is no ACCESS-KEY:SECRET`, {
    hint: 'write both in one line, with a colon between',
    details: { file },
  });
}

/** @throws GRID_USAGE unless all three options are given, or none. */
function anchorLogOf({
  anchor,
  anchorTokenFile,
  anchorGenesis,
}: ServeOptions): AnchorLog | undefined {
  if (anchor === undefined) return undefined;
  if (anchorTokenFile !== undefined && anchorGenesis !== undefined) {
    return bcdbAnchorLog({ url: anchor, tokenFile: anchorTokenFile, genesisFile: anchorGenesis });
  }
  throw new GridError<GridErrorCode>('GRID_USAGE', '--anchor needs to know the database', {
    hint: 'give --anchor-token-file and --anchor-genesis, too',
  });
}

function describe({ endpoint, region, policy, metrics }: ServeReport): string {
  return [
    `S3 serves on ${endpoint}, region ${region}, objects ${policy}`,
    ...(metrics === null ? [] : [`metrics: http://${metrics}/metrics`]),
  ].join('\n');
}

function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function addName(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}
