import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';

import { BcdbClient } from '@commongrid/bcdb/client';
import {
  createLogger,
  createRegistry,
  errorCode,
  GridError,
  isGridError,
  MetricsServer,
  shutdownSignal,
} from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { NodeAgent } from '@commongrid/node';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { readJoinToken } from '../../node/join-token.ts';
import type { NodeConfig, NodeFolder } from '../../node/node-folder.ts';
import { parseShards, usualShards } from '../zstor/store.ts';
import type { Shards } from '../zstor/store.ts';
import { parseAddress } from '../zdb/connection.ts';
import type { Address } from '../zdb/connection.ts';
import { requireRoot } from '../flist/mounts.ts';
import { addOrigin, parseGridName, parsePrefix, parseSize } from './node-arguments.ts';
import { nodeFolderOf, nodeSubcommand } from './node-folder-option.ts';
import type { NodeOptions } from './node-folder-option.ts';

type JoinOptions = NodeOptions & { readonly tokenFile?: string; readonly name?: string };
type StartOptions = JoinOptions & {
  readonly join?: string;
  readonly prefix: string;
  readonly volumeSize?: number;
  readonly zdbPort?: number;
  readonly metrics?: Address;
  readonly backups?: string;
  readonly backupShards?: Shards;
  readonly url?: readonly string[];
  readonly hub?: readonly string[];
};

const nameText = 'what the node is called in its farm; default: the name of the machine';

export function nodeJoinCommand(context: CommandContext): Command {
  return nodeSubcommand('join', 'Make this machine a node of a farm, by a token of its owner.')
    .argument('[token]', 'gridjoin:...; whoever may list processes sees it here')
    .option('--token-file <file>', 'file with the token')
    .option('--name <name>', nameText, parseGridName)
    .action(async (token: string | undefined, options: JoinOptions) => {
      const folder = nodeFolderOf(context, options);
      const config = await join(folder, token, options);
      const result = reportOf('grid.node.join.1', folder, config);
      printResult(context, options, result, ({ node, name }) =>
        [
          `this machine is ${name}, ${node}`,
          'next, as root here: ./grid node start',
          'and where the owner is: ./grid node adopt --wait',
        ].join('\n'),
      );
    });
}

export function nodeStartCommand(context: CommandContext): Command {
  return nodeSubcommand(
    'start',
    'Run the node of this machine until SIGTERM. Containers go on then.',
  )
    .option('--join <token>', 'join first, unless that was done')
    .option('--token-file <file>', 'the same, by a file with the token')
    .option('--name <name>', nameText, parseGridName)
    .option('--prefix <letters>', 'begins names of interfaces and cgroups', parsePrefix, 'cg')
    .option('--volume-size <size>', 'disk for volumes; default: half of what is free', parseSize)
    .option('--zdb-port <port>', 'of namespaces on loopback; default: a free one, kept', parsePort)
    .option('--backups <file>', 'Zero-DBs of a Zero-Stor for backups of volumes: a list in JSON')
    .option('--backup-shards <code>', 'data and parity; default 16+4', parseShards)
    .option('--metrics <host:port>', 'address of the Prometheus metrics', parseAddress)
    .option('--url <url>', 'where the database is now; again for more', addOrigin)
    .option('--hub <origin>', 'where images are now; again for more', addOrigin)
    .action(async (options: StartOptions) => {
      requireRoot(context, 'run a node');
      const signal = shutdownSignal();
      const folder = nodeFolderOf(context, options);
      const { url: urls, hub: hubs } = options;
      const config = {
        ...(await configOf(folder, options)),
        ...(urls === undefined ? {} : { urls }),
        ...(hubs === undefined ? {} : { hubs }),
      };
      await run(context, options, { folder, config, signal });
    });
}

interface Run {
  readonly folder: NodeFolder;
  readonly config: NodeConfig;
  readonly signal: AbortSignal;
}

async function run(
  context: CommandContext,
  { prefix, volumeSize, zdbPort, metrics, backups, backupShards = usualShards, json }: StartOptions,
  { folder, config, signal }: Run,
): Promise<void> {
  const { NodeDoors } = await import('@commongrid/node');
  const { openNode } = await import('../../node/open-node.ts');
  const { farm, name, trust, releaseKeys, hubs, invite } = config;
  const logger = createLogger('node', { level: context.environment.logLevel });
  await mkdir(folder.path, { recursive: true, mode: 0o700 });
  await using agent = await openNode({
    ...{ folder: folder.path, key: await folder.key(), farm, name, trust, releaseKeys, hubs },
    ...{ invite, prefix, zdbPort, logger, url: await doorOf(config, signal) },
    volumeBytes: volumeSize ?? config.volumeBytes,
    backups:
      backups === undefined ? undefined : { backends: resolve(backups), shards: backupShards },
  });
  await using _doors = await NodeDoors.open({ agent, folder: folder.path, logger });
  await using _metrics = await openMetrics(agent, metrics, logger);
  const result = reportOf('grid.node.start.1', folder, config);
  const options: JsonOption = json === undefined ? {} : { json };
  printResult(context, options, result, ({ node }) => `${name} runs: ${node} in ${folder.path}`);
  if (!signal.aborted) await once(signal, 'abort');
}

async function openMetrics(
  agent: NodeAgent,
  address: Address | undefined,
  logger: Logger,
): Promise<MetricsServer | undefined> {
  if (address === undefined) return undefined;
  const { publishNodeMetrics } = await import('@commongrid/node');
  const registry = createRegistry({ withProcessMetrics: true });
  publishNodeMetrics(agent, registry);
  return MetricsServer.open({ registry, logger, ...address });
}

async function configOf(folder: NodeFolder, options: StartOptions): Promise<NodeConfig> {
  const { join: token, tokenFile } = options;
  // A node that was started by a token is started again by the same command, when it has expired.
  const isAsked = token !== undefined || tokenFile !== undefined;
  return isAsked && !folder.hasJoined ? join(folder, token, options) : folder.read();
}

async function join(
  folder: NodeFolder,
  text: string | undefined,
  { tokenFile, name }: JoinOptions,
): Promise<NodeConfig> {
  if ((text === undefined) === (tokenFile === undefined)) {
    throw new GridError<GridErrorCode>('GRID_USAGE', 'give a token, or --token-file, one of them');
  }
  const token = readJoinToken(text ?? (await textOf(tokenFile ?? '')), Date.now());
  return folder.join(token, name);
}

/** The first database that answers and has the log; the first of all while none does. */
async function doorOf({ urls, trust }: NodeConfig, signal: AbortSignal): Promise<string> {
  const [first = ''] = urls;
  if (urls.length === 1) return first;
  for (const url of urls) {
    try {
      await BcdbClient.connect({ url, trust, signal, timeoutMs: doorTimeoutMs });
      return url;
    } catch (error) {
      if (!isGridError(error)) throw error;
    }
  }
  return first;
}

/** For a database to answer, when there are several. */
const doorTimeoutMs = 3_000;

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const message = `cannot read ${file}: ${errorCode(error) ?? String(error)}`;
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', message, { cause: error });
  }
}

function reportOf(schema: string, { path }: NodeFolder, config: NodeConfig) {
  const { node, name, farm, trust, urls } = config;
  return { schema, node, name, farm, log: trust.log, urls, folder: path };
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port > 0 && port < 65_536) return port;
  throw new InvalidArgumentError('give a port from 1 to 65535');
}
