import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import type { Plan } from '@commongrid/zstor';

import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import { formatShards, parseShards, usualShards } from './store.ts';
import type { Shards } from './store.ts';

type PlanOptions = JsonOption & {
  readonly backends: string;
  readonly shards?: Shards;
  readonly farmMax?: number;
  readonly countryMax?: number;
  readonly yearlyLoss: number;
  readonly repairHours: number;
  readonly uptime: number;
};

export function zstorPlanCommand(context: CommandContext): Command {
  return resultCommand('plan', 'Say what a code is worth on these backends, before it is used.')
    .requiredOption('--backends <file>', 'the Zero-DBs of the store, a list in JSON')
    .option(
      '--shards <k+m>',
      `data and parity shards; default ${formatShards(usualShards)}`,
      parseShards,
    )
    .option('--farm-max <n>', 'most shards of a chunk in one farm', parseCount)
    .option('--country-max <n>', 'most shards of a chunk in one country', parseCount)
    .option('--yearly-loss <part>', 'part of the nodes that is lost in a year', parsePart, 0.05)
    .option('--repair-hours <n>', 'until a lost shard is made again', parseCount, 24)
    .option('--uptime <part>', 'part of the time that a node answers', parsePart, 0.99)
    .addHelpText('after', '\nExit status 0 when it suits or has a warning, 1 when it is refused.')
    .action(async (options: PlanOptions) => {
      const { planStorage, readBackendsFile } = await import('@commongrid/zstor');
      const { shards = usualShards, farmMax, countryMax } = options;
      const { yearlyLoss, repairHours, uptime } = options;
      const specs = await readBackendsFile(options.backends);
      const candidates = specs.map((place, at) => {
        return { no: at + 1, place, isSpare: place.isSpare, freeBytes: 0 };
      });
      const rules = { ...shards, farmShardsMax: farmMax, countryShardsMax: countryMax };
      const plan = planStorage(candidates, rules, { yearlyLoss, repairHours, uptime });
      if (plan.verdict === 'refused') context.exitStatus = 1;
      const result = { schema: 'grid.zstor.plan.1', shards: formatShards(shards), ...plan };
      printResult(context, options, result, () => describePlan(formatShards(shards), plan));
    });
}

function describePlan(shards: string, plan: Plan): string {
  const { nodesSurvived, farmsSurvived, nodeCount, yearlyLoss, overhead } = plan;
  const verdicts = { suits: 'suits', warning: 'can be used, but', refused: 'does not suit' };
  return [
    `${shards} on ${nodeCount} nodes ${verdicts[plan.verdict]}`,
    ...plan.reasons.map((reason) => `- ${reason}`),
    `survives the loss of any ${nodesSurvived} nodes, any ${farmsSurvived} farms`,
    `a chunk is lost in a year with a probability of ${yearlyLoss.toExponential(1)}`,
    `it cannot be read for ${(plan.unavailability * 100).toPrecision(2)} % of the time`,
    `a byte takes ${Number(overhead.toFixed(2))} bytes`,
  ].join('\n');
}

function parseCount(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('give a whole number from 1 on');
}

function parsePart(text: string): number {
  const part = Number(text);
  if (text.trim() !== '' && part >= 0 && part <= 1) return part;
  throw new InvalidArgumentError('give a part such as 0.05');
}
