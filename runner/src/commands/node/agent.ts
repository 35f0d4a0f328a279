import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';

import { BcdbClient } from '@commongrid/bcdb/client';
import {
  collectionFlags,
  createLogger,
  createRegistry,
  GridError,
  isGridError,
  MetricsServer,
  shutdownSignal,
} from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { NodeAgent, Releases } from '@commongrid/node';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import manifest from '../../../package.json' with { type: 'json' };
import { printResult } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import type { NodeConfig, NodeFolder } from '../../node/node-folder.ts';
import { requireRoot } from '../flist/mounts.ts';
import type { Address } from '../zdb/connection.ts';
import { usualShards } from '../zstor/store.ts';
import { withAgentOptions } from './agent-options.ts';
import type { AgentOptions } from './agent-options.ts';
import { joinedConfig, nodeReport } from './join.ts';
import { nodeFolderOf, nodeSubcommand } from './node-folder-option.ts';

/** The release that runs; what is installed has no digest. */
interface RunningRelease {
  readonly version: string;
  readonly digest?: string;
}

type KeptOptions = AgentOptions & {
  readonly keeper: number;
  readonly release: RunningRelease;
};

export function nodeAgentCommand(context: CommandContext): Command {
  const command = nodeSubcommand('agent', 'The agent itself, as `grid node start` runs it.');
  return withAgentOptions(command)
    .requiredOption('--keeper <pid>', 'the process that started it', Number)
    .option('--release <name>', 'the release that it is of', parseRelease, {
      version: manifest.version,
    })
    .action(async (options: KeptOptions) => {
      requireRoot(context, 'run a node');
      requireKeeper(options.keeper);
      collectSparingly();
      const signal = shutdownSignal();
      const folder = nodeFolderOf(context, options);
      const { url: urls, hub: hubs } = options;
      const config = {
        ...(await joinedConfig(folder, options)),
        ...(urls === undefined ? {} : { urls }),
        ...(hubs === undefined ? {} : { hubs }),
      };
      await run(context, options, { folder, config, signal });
    });
}

/** Goes on with the options of Node for a process that mostly waits, where a release was started without. */
function collectSparingly(): void {
  const { execArgv, execPath, argv, env } = process;
  if (collectionFlags.waiting.every((flag) => execArgv.includes(flag))) return;
  process.execve?.(execPath, [execPath, ...collectionFlags.waiting, ...argv.slice(1)], env);
}

/** One whose keeper is gone would not end with it. */
function requireKeeper(keeper: number): void {
  if (process.ppid === keeper) return;
  throw new GridError<GridErrorCode>('GRID_USAGE', `process ${keeper} did not start this agent`, {
    hint: './grid node start',
  });
}

interface Run {
  readonly folder: NodeFolder;
  readonly config: NodeConfig;
  readonly signal: AbortSignal;
}

async function run(
  context: CommandContext,
  options: KeptOptions,
  { folder, config, signal }: Run,
): Promise<void> {
  const { NodeDoors } = await import('@commongrid/node');
  const { openNode } = await import('../../node/open-node.ts');
  const { prefix, volumeSize, zdbPort, backups, backupShards = usualShards, release } = options;
  const { farm, name, trust, releaseKeys, hubs, invite } = config;
  const logger = createLogger('node', { level: context.environment.logLevel });
  await mkdir(folder.path, { recursive: true, mode: 0o700 });
  await using agent = await openNode({
    ...{ folder: folder.path, key: await folder.key(), farm, name, trust, releaseKeys, hubs },
    ...{ invite, prefix, zdbPort, logger, url: await doorOf(config, signal) },
    ...{
      software: release.version,
      addresses: options.address,
      volumeBytes: volumeSize ?? config.volumeBytes,
    },
    backups:
      backups === undefined ? undefined : { backends: resolve(backups), shards: backupShards },
  });
  const switching = new AbortController();
  await using releases = await openReleases({ agent, folder, options, logger }, () =>
    switching.abort(),
  );
  await using _doors = await NodeDoors.open({ agent, releases, folder: folder.path, logger });
  await using _metrics = await openMetrics(agent, options.metrics, logger);
  const result = nodeReport('grid.node.start.1', folder, config);
  const { json } = options;
  const shown: JsonOption = json === undefined ? {} : { json };
  printResult(context, shown, result, ({ node }) => `${name} runs: ${node} in ${folder.path}`);
  const ends = AbortSignal.any([signal, switching.signal]);
  if (!ends.aborted) await once(ends, 'abort');
}

async function openReleases(
  parts: {
    readonly agent: NodeAgent;
    readonly folder: NodeFolder;
    readonly options: KeptOptions;
    readonly logger: Logger;
  },
  onSwitch: () => void,
): Promise<Releases | undefined> {
  const { nodeControlPath, Releases: Opened } = await import('@commongrid/node');
  const { agent, folder, options, logger } = parts;
  const { images } = agent.machine;
  if (images === undefined) return undefined;
  return Opened.open({
    ...{ agent, images, folder: folder.path, controlPath: nodeControlPath(folder.path) },
    ...{ running: options.release, onSwitch, logger },
    ...{ trialMs: options.trial * 1000, patienceMs: options.patience * 1000 },
  });
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

function parseRelease(text: string): RunningRelease {
  const [, version, digest] = /^(\d+[.]\d+[.]\d+)-([0-9a-f]{64})$/.exec(text) ?? [];
  if (version !== undefined && digest !== undefined) return { version, digest };
  throw new InvalidArgumentError('give the name of a folder of releases');
}
