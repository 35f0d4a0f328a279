import { once } from 'node:events';

import {
  ControlSocket,
  createLogger,
  createRegistry,
  GridError,
  MetricsServer,
  shutdownSignal,
} from '@commongrid/base';
import type { Logger, MetricsRegistry } from '@commongrid/base';
import type { BotId } from '@commongrid/model';
import type { Bot } from '@commongrid/threebot';
import type { Command } from 'commander';

import type { AtLog } from '../../bot-service/bot-grid.ts';
import { publishContracts } from '../../bot-service/contract-metrics.ts';
import { ControllerFile } from '../../bot-service/controller-file.ts';
import type { LateBotService } from '../../bot-service/late-bot-service.ts';
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
  readonly metrics?: Address;
};

export function botStartCommand(context: CommandContext): Command {
  return botSubcommand('start', 'Run a bot until SIGTERM; its record says where it is.')
    .option('--listen <host:port>', 'for links and HTTPS', parseAddress, {
      host: '127.0.0.1',
      port: 0,
    })
    .option('--redis <host:port>', 'for the Redis protocol over TLS', parseAddress)
    .option('--relay <bot...>', 'ids of bots that keep its messages while it is away')
    .option('--metrics <host:port>', 'address of the Prometheus metrics', parseAddress)
    .action(async (name: string, options: StartOptions) => {
      const signal = shutdownSignal();
      const folder = botFolderOf(context, name, options);
      const { id, url, trust } = await folder.config();
      const [threebot, { contractsActor }, { KeptContracts }, later] = await Promise.all([
        import('@commongrid/threebot'),
        import('../../bot-service/contracts-actor.ts'),
        import('../../bot-service/kept-contracts.ts'),
        import('../../bot-service/late-bot-service.ts'),
      ]);
      const key = await folder.device();
      const former = await folder.formerKeys();
      const logger = createLogger('bot', { level: context.environment.logLevel });
      const papers = await KeptContracts.open(folder.contracts, logger);
      const registry = registryFor(options);
      const late: { service?: LateBotService } = {};
      await using bot = await threebot.Bot.open({
        ...{ folder: folder.data, id, key, url, trust, listen: options.listen },
        papers: folder.path,
        sealingKeys: [key, ...former].map(sealingKeyOf),
        heads: folder.heads(trust),
        ownerToken: await folder.ownerToken(),
        ...(options.redis === undefined ? {} : { redis: options.redis }),
        relays: options.relay ?? [],
        actors: [contractsActor(papers, () => late.service?.desk)],
        ...(registry === undefined ? {} : { registry }),
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
      await using service = new later.LateBotService({
        ...{ bot: id as BotId, url, trust, key, atLog, papers, logger, running: bot },
        ...{ folder: folder.feed, storesFolder: folder.stores, market: bot.lockMarket },
        ...{ memory: new ControllerFile(folder.controllerFile), notices: bot.notices },
      });
      late.service = service;
      if (registry !== undefined) publishContracts(registry, () => service.contracts());
      await using metrics = await openMetrics(options, { registry, logger });
      const ended = signal.aborted ? Promise.resolve() : once(signal, 'abort');
      const isReached = await Promise.race([service.firstTry, ended]);
      if (signal.aborted) return;
      const report = reportOf({ id, name }, { bot, metrics }, isReached === true);
      printResult(context, options, report, () => describe(report, url));
      await Promise.race([ended, service.failed]);
    });
}

function reportOf(
  who: { readonly id: string; readonly name: string },
  { bot, metrics }: { readonly bot: Bot; readonly metrics: MetricsServer | undefined },
  isReached: boolean,
) {
  const { address, redisAddress, fingerprint } = bot;
  const redis = redisAddress === undefined ? null : `${redisAddress.host}:${redisAddress.port}`;
  const database = isReached ? ('there' as const) : ('away' as const);
  return {
    ...{ schema: 'grid.bot.start.1', ...who, address, redis, fingerprint, database },
    metrics: metrics === undefined ? null : `http://${metrics.host}:${metrics.port}/metrics`,
  };
}

function describe(
  { name, address, redis, database, metrics }: ReturnType<typeof reportOf>,
  url: string,
): string {
  return [
    `${name} answers at ${address}`,
    ...(redis === null ? [] : [`Redis: ${redis}`]),
    ...(metrics === null ? [] : [`metrics: ${metrics}`]),
    ...(database === 'there' ? [] : [`the database at ${url} does not answer: it goes on without`]),
  ].join('\n');
}

function registryFor({ metrics }: StartOptions): MetricsRegistry | undefined {
  return metrics === undefined ? undefined : createRegistry({ withProcessMetrics: true });
}

async function openMetrics(
  { metrics }: StartOptions,
  { registry, logger }: { readonly registry: MetricsRegistry | undefined; readonly logger: Logger },
): Promise<MetricsServer | undefined> {
  if (metrics === undefined || registry === undefined) return undefined;
  return MetricsServer.open({ registry, logger, ...metrics });
}

function methodName(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new GridError<GridErrorCode>('GRID_CONTROL_REQUEST', 'a call names no method');
}
