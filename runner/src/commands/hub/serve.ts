import { once } from 'node:events';
import { readFile } from 'node:fs/promises';

import { createLogger, errorCode, GridError, parseBytes, shutdownSignal } from '@commongrid/base';
import type { KeyDirectory } from '@commongrid/flist';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { parseAddress } from '../zdb/connection.ts';

type ServeOptions = JsonOption & {
  readonly data: string;
  readonly users: string;
  readonly listen?: { readonly host: string; readonly port: number };
  readonly origin?: string;
  readonly owner?: string;
  readonly quota?: string;
};

export function hubServeCommand(context: CommandContext): Command {
  return resultCommand('serve', 'Run a hub on a folder until SIGTERM.')
    .requiredOption('--data <folder>', 'where it keeps its data; made when missing')
    .requiredOption('--users <file>', 'who may upload: JSON, names of users by their keys')
    .option('--listen <host:port>', 'default 127.0.0.1:9100; port 0: a free one', parseAddress)
    .option('--origin <url>', 'under which clients ask; default http://HOST:PORT')
    .option('--owner <user>', 'may change what all users have')
    .option('--quota <size>', 'of each user; default 100GiB')
    .addHelpText(
      'after',
      '\nAnybody may read; every change is signed by a key of the file, which is read again for each.' +
        '\nMake keys with: grid bcdb key new FILE',
    )
    .action(async (options: ServeOptions) => {
      const { HubServer } = await import('@commongrid/flist');
      const signal = shutdownSignal();
      const { data: folder, users, origin, owner, quota } = options;
      const keys = usersOf(users);
      await keys.userOf('');
      await using server = await HubServer.open({
        ...{ folder, keys, listen: options.listen ?? { host: '127.0.0.1', port: 9100 } },
        ...(origin === undefined ? {} : { audience: origin }),
        ...(owner === undefined ? {} : { owner }),
        ...(quota === undefined ? {} : { limits: { quotaBytes: parseBytes(quota) } }),
        logger: createLogger('hub', { level: context.environment.logLevel }),
      });
      const url = `http://${server.host}:${server.port}`;
      const report = { schema: 'grid.hub.serve.1', url, dataDir: folder };
      printResult(context, options, report, () => `the hub serves ${folder} at ${url}`);
      if (!signal.aborted) await once(signal, 'abort');
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
