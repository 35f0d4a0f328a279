import { inspectNodes, planClosely } from '@commongrid/contract';
import type { Directory, DraftFile } from '@commongrid/contract';
import type { BcdbClient } from '@commongrid/bcdb/client';
import type { BotId } from '@commongrid/model';

import { botHere, isRunning } from '../../bot-service/bots-here.ts';
import { printResult } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { BotFolder } from '../bot/bot-folder.ts';
import { MoneyText } from '../market/money-text.ts';
import { askFarmers } from './ask-farmers.ts';
import { describePlan } from './describe-plan.ts';
import { planResult } from './plan-result.ts';

export interface PlanWork {
  readonly client: BcdbClient;
  /** Log time, ms since 1970. */
  readonly at: number;
  readonly listed: Directory;
  readonly wishes: NonNullable<Parameters<typeof planClosely>[0]['wishes']>;
  /** Asks farmers what it costs, where the owner's bot runs on this machine. */
  readonly asksFarmers: boolean;
}

/** Plans a contract and prints where it would run, what it costs and bears; exit status 1 when it does not fit. */
export async function printPlan(
  context: CommandContext,
  options: JsonOption,
  { id, header, openings, shards }: Pick<DraftFile, 'id' | 'header' | 'openings' | 'shards'>,
  { client, at, listed, wishes, asksFarmers }: PlanWork,
): Promise<void> {
  const roles = openings.map(({ role }) => role);
  const bot = asksFarmers ? await runningBotOf(context, header.owner) : undefined;
  const { plan, directory } = await planClosely(
    { header, roles, directory: listed, shards: new Map(Object.entries(shards)), wishes },
    {
      inspect: (nodes) => inspectNodes(client, nodes, at),
      quote: bot && ((questions) => askFarmers({ bot, id, header, roles }, questions)),
    },
  );
  if (plan.is === 'none') context.exitStatus = 1;
  const facts = { header, plan, directory, latencies: wishes.latencies };
  const sold = [...directory.farms.values()].map(({ prices }) => prices.currency);
  const money = await MoneyText.of(client, [header.budget.currency, ...sold]);
  printResult(context, options, planResult({ id, ...facts }), () =>
    describePlan(facts, money, context.terminal.style),
  );
}

async function runningBotOf(
  { environment }: CommandContext,
  owner: BotId,
): Promise<BotFolder | undefined> {
  const folder = await botHere(environment.home, owner);
  return folder !== undefined && (await isRunning(folder)) ? folder : undefined;
}
