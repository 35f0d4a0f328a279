import { once } from 'node:events';

import { ControlSocket, createLogger, GridError, shutdownSignal } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { sealingKeyOf } from '../../key-file.ts';
import { parseAddress } from '../zdb/connection.ts';
import type { Address } from '../zdb/connection.ts';
import { botFolderOf, botSubcommand } from './bot-options.ts';
import type { BotOptions } from './bot-options.ts';

type StartOptions = BotOptions & {
  readonly listen: Address;
  readonly redis?: Address;
  readonly relay?: readonly string[];
};

export function botStartCommand(context: CommandContext): Command {
  return botSubcommand('start', 'Run a bot until SIGTERM; its record says where it is.')
    .option('--listen <host:port>', 'for links and HTTPS', parseAddress, {
      host: '127.0.0.1',
      port: 0,
    })
    .option('--redis <host:port>', 'for the Redis protocol over TLS', parseAddress)
    .option('--relay <bot...>', 'ids of bots that keep its messages while it is away')
    .action(async (name: string, options: StartOptions) => {
      const signal = shutdownSignal();
      const folder = botFolderOf(context, name, options);
      const { id, url, trust } = await folder.config();
      const { Bot } = await import('@commongrid/threebot');
      const key = await folder.device();
      const former = await folder.formerKeys();
      await using bot = await Bot.open({
        ...{ folder: folder.data, id, key, url, trust, listen: options.listen },
        sealingKeys: [key, ...former].map(sealingKeyOf),
        heads: folder.heads(trust),
        ownerToken: await folder.ownerToken(),
        ...(options.redis === undefined ? {} : { redis: options.redis }),
        relays: options.relay ?? [],
        logger: createLogger('bot', { level: context.environment.logLevel }),
      });
      await using _control = await ControlSocket.open({
        path: folder.controlSocket,
        actions: {
          call: ({ method, input }, { signal: stop }) => bot.call(methodName(method), input, stop),
        },
      });
      await bot.publish();
      const { address, redisAddress, fingerprint } = bot;
      const redis = redisAddress === undefined ? null : `${redisAddress.host}:${redisAddress.port}`;
      const report = { schema: 'grid.bot.start.1', id, name, address, redis, fingerprint };
      printResult(context, options, report, () =>
        [`${name} answers at ${address}`, ...(redis === null ? [] : [`Redis: ${redis}`])].join(
          '\n',
        ),
      );
      if (!signal.aborted) await once(signal, 'abort');
    });
}

function methodName(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new GridError<GridErrorCode>('GRID_CONTROL_REQUEST', 'a call names no method');
}
