import { once } from 'node:events';
import { readFile } from 'node:fs/promises';

import {
  createLogger,
  createRegistry,
  errorCode,
  GridError,
  MetricsServer,
  parseBytes,
  shutdownSignal,
} from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { HubServerOptions, KeyDirectory } from '@commongrid/flist';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { readKeyFile } from '../../key-file.ts';
import { parseDoor } from '../bcdb/options.ts';
import { parseAddress } from '../zdb/connection.ts';
import type { Address } from '../zdb/connection.ts';

type ServeOptions = JsonOption & {
  readonly data: string;
  readonly users?: string;
  readonly phonebook?: string;
  readonly phonebookGenesis?: string;
  readonly listen?: Address;
  readonly origin?: string;
  readonly owner?: string;
  readonly ownerKeyFile?: string;
  readonly quota?: string;
  readonly metrics?: Address;
};

export function hubServeCommand(context: CommandContext): Command {
  return resultCommand('serve', 'Run a hub on a folder until SIGTERM.')
    .requiredOption('--data <folder>', 'where it keeps its data; made when missing')
    .option('--users <file>', 'who may upload: JSON, names of users by their keys')
    .option('--phonebook <url>', 'or the HTTP door of a BCDB that knows bots by keys', parseDoor)
    .option('--phonebook-genesis <file>', 'genesis.json of its log')
    .option('--listen <host:port>', 'default 127.0.0.1:9100; port 0: a free one', parseAddress)
    .option('--origin <url>', 'under which clients ask; default http://HOST:PORT')
    .option('--owner <user>', 'may change what all users have, and sets quotas')
    .option('--owner-key-file <file>', 'or whose key this is')
    .option('--quota <size>', 'of each user; default 100GiB')
    .option('--metrics <host:port>', 'address of the Prometheus metrics', parseAddress)
    .addHelpText(
      'after',
      '\nAnybody may read; every change is signed by a key of the file, which is read again for each,' +
        '\nor by a device of a bot in the phonebook. Make keys with: grid bcdb key new FILE',
    )
    .action(async (options: ServeOptions) => {
      await serve(context, options);
    });
}

async function serve(context: CommandContext, options: ServeOptions): Promise<void> {
  const { HubServer } = await import('@commongrid/flist');
  const signal = shutdownSignal();
  const logger = createLogger('hub', { level: context.environment.logLevel });
  const registry = createRegistry({ withProcessMetrics: true });
  await using server = await HubServer.open({
    ...(await serverOptionsOf(options, logger)),
    ...{ logger, registry },
  });
  await using metrics = await openMetrics(options, { registry, logger });
  const url = `http://${server.host}:${server.port}`;
  const metricsUrl =
    metrics === undefined ? null : `http://${metrics.host}:${metrics.port}/metrics`;
  const report = { schema: 'grid.hub.serve.1', url, metrics: metricsUrl, dataDir: options.data };
  printResult(context, options, report, () => `the hub serves ${options.data} at ${url}`);
  if (!signal.aborted) await once(signal, 'abort');
}

async function serverOptionsOf(options: ServeOptions, logger: Logger): Promise<HubServerOptions> {
  const { data: folder, listen = usualAddress, origin, owner, ownerKeyFile, quota } = options;
  const ownerKey = ownerKeyFile === undefined ? undefined : await readKeyFile(ownerKeyFile);
  return {
    ...{ folder, listen, keys: await keysOf(options, logger) },
    ...(origin === undefined ? {} : { audience: origin }),
    ...(owner === undefined ? {} : { owner }),
    ...(ownerKey === undefined ? {} : { ownerKey: ownerKey.publicKey.text }),
    ...(quota === undefined ? {} : { limits: { quotaBytes: parseBytes(quota) } }),
  };
}

const usualAddress: Address = { host: '127.0.0.1', port: 9100 };

async function openMetrics(
  { metrics }: ServeOptions,
  options: Parameters<typeof MetricsServer.open>[0],
): Promise<MetricsServer | undefined> {
  return metrics === undefined ? undefined : MetricsServer.open({ ...options, ...metrics });
}

/** @throws GRID_USAGE unless there is one place that says whose a key is */
async function keysOf(
  { users, phonebook, phonebookGenesis }: ServeOptions,
  logger: Logger,
): Promise<KeyDirectory> {
  if (users !== undefined && phonebook === undefined) {
    const keys = usersOf(users);
    await keys.userOf('');
    return keys;
  }
  if (users === undefined && phonebook !== undefined && phonebookGenesis !== undefined) {
    const { Phonebook } = await import('../../phonebook.ts');
    return new Phonebook({ url: phonebook, genesisFile: phonebookGenesis, logger });
  }
  throw new GridError<GridErrorCode>('GRID_USAGE', 'a hub has to know whose a key is', {
    hint: 'give --users, or --phonebook and --phonebook-genesis',
  });
}

/** Users of a file, which may be changed while the hub runs. @throws GRID_FILE_UNREADABLE */
function usersOf(file: string): KeyDirectory {
  return {
    userOf: async (key) => {
      const users = await readUsers(file);
      return users.get(key);
    },
  };
}

async function readUsers(file: string): Promise<ReadonlyMap<string, string>> {
  try {
    const json: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (typeof json !== 'object' || json === null) throw new Error('it is no object');
    return new Map(
      Object.entries(json).map(([key, user]) => {
        if (typeof user !== 'string') throw new Error(`the user of ${key} is no text`);
        return [key, user];
      }),
    );
  } catch (cause) {
    const why = errorCode(cause) ?? (cause instanceof Error ? cause.message : String(cause));
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot use ${file}: ${why}`, {
      hint: 'write it as {"ed25519:...": "user"}',
      details: { file },
      cause,
    });
  }
}
