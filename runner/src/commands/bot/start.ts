import { once } from 'node:events';

import { ControlSocket, createLogger, GridError, shutdownSignal } from '@commongrid/base';
import type { BotId } from '@commongrid/model';
import type { Command } from 'commander';

import type { AtLog } from '../../bot-service/bot-grid.ts';
import type { ControllerDesk } from '../../bot-service/contracts-actor.ts';
import { writeAction } from '../../bot-service/write-by-bot.ts';
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
      const [{ Bot }, { contractsActor }, { KeptContracts }, { BotService }] = await Promise.all([
        import('@commongrid/threebot'),
        import('../../bot-service/contracts-actor.ts'),
        import('../../bot-service/kept-contracts.ts'),
        import('../../bot-service/bot-service.ts'),
      ]);
      const key = await folder.device();
      const former = await folder.formerKeys();
      const logger = createLogger('bot', { level: context.environment.logLevel });
      const papers = await KeptContracts.open(folder.contracts, logger);
      const late: { desk?: ControllerDesk } = {};
      await using bot = await Bot.open({
        ...{ folder: folder.data, id, key, url, trust, listen: options.listen },
        papers: folder.path,
        sealingKeys: [key, ...former].map(sealingKeyOf),
        heads: folder.heads(trust),
        ownerToken: await folder.ownerToken(),
        ...(options.redis === undefined ? {} : { redis: options.redis }),
        relays: options.relay ?? [],
        actors: [contractsActor(papers, () => late.desk)],
        logger,
      });
      const atLog: AtLog = (work, stop) => bot.atLog(work, stop);
      await using _control = await ControlSocket.open({
        path: folder.controlSocket,
        actions: {
          call: ({ method, input }, { signal: stop }) => bot.call(methodName(method), input, stop),
          write: writeAction(atLog),
        },
      });
      await bot.publish();
      await using service = await BotService.open({
        ...{ bot: id as BotId, url, trust, key, atLog, papers, logger },
        ...{ folder: folder.feed, market: bot.lockMarket },
      });
      late.desk = service.contracts;
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
