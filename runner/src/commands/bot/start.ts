import { once } from 'node:events';

import { ControlSocket, createLogger, GridError, shutdownSignal } from '@commongrid/base';
import type { Command } from 'commander';

import { writeAction } from '../../bot-service/write-by-bot.ts';
import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { parseAddress } from '../zdb/connection.ts';
import { botFolderOf, botSubcommand } from './bot-options.ts';
import type { BotOptions } from './bot-options.ts';
import type { BotDoors, BotRound } from './bot-round.ts';

type StartOptions = BotOptions & BotDoors;

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
      const { id, url } = await folder.config();
      const [{ KeptContracts }, { BotRounds }] = await Promise.all([
        import('../../bot-service/kept-contracts.ts'),
        import('./bot-rounds.ts'),
      ]);
      const logger = createLogger('bot', { level: context.environment.logLevel });
      const papers = await KeptContracts.open(folder.contracts, logger);
      await using rounds = await BotRounds.open({ folder, doors: options, papers, logger });
      await using _control = await ControlSocket.open({
        path: folder.controlSocket,
        actions: {
          call: async ({ method, input }, { signal: stop }) =>
            (await rounds.bot()).call(methodName(method), input, stop),
          write: writeAction(async (work, stop) => (await rounds.bot()).atLog(work, stop)),
          takeKey: async () => {
            await rounds.again();
            return {};
          },
        },
      });
      const ended = signal.aborted ? Promise.resolve() : once(signal, 'abort');
      const round = await rounds.now();
      const isReached = await Promise.race([round.service.firstTry, ended]);
      if (signal.aborted) return;
      const report = reportOf({ id, name }, round, isReached === true);
      printResult(context, options, report, () => describe(report, url));
      await Promise.race([ended, rounds.failed]);
    });
}

function reportOf(
  who: { readonly id: string; readonly name: string },
  { bot, metrics }: BotRound,
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

function methodName(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new GridError<GridErrorCode>('GRID_CONTROL_REQUEST', 'a call names no method');
}
