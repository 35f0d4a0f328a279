import { measureLatency, planContract, readDirectory } from '@commongrid/contract';
import type { Directory } from '@commongrid/contract';
import type { NodeId } from '@commongrid/model';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { readLogFacts } from '../../node/log-facts.ts';
import { addText } from '../node/node-arguments.ts';
import { connect, serverCommand } from '../bcdb/connection.ts';
import { MoneyText } from '../market/money-text.ts';
import { describePlan } from './describe-plan.ts';
import { planResult } from './plan-result.ts';
import { readContract } from './read-contract.ts';
import type { ContractOptions } from './read-contract.ts';

type PlanOptions = ContractOptions & {
  readonly node?: readonly string[];
  readonly uptime?: number;
  readonly latency?: number;
};

/** Nodes to which it is measured at a time. */
const measuredMax = 64;

export function contractPlanCommand(context: CommandContext): Command {
  return serverCommand('plan', 'Say where a contract would run, what it costs and what it bears.')
    .argument('<file>', 'FILE.contract.ts, JSON, or a built contract')
    .option('--node <name>', 'only on this node, by name or id; again for more', addText)
    .option('--uptime <part>', 'only on nodes that were there for this part of the time', parsePart)
    .option('--latency <ms>', 'only on nodes that answer this machine within', parseMs)
    .option('--hub <origin>', 'where images are by their name; default: the one of `grid up`')
    .addHelpText('after', '\nExit status 0 when it fits, 1 when it does not.')
    .action(async (file: string, options: PlanOptions) => {
      const { id, header, openings, shards } = await readContract(context, options, file);
      const { client, trust } = await connect(context, options);
      const { at } = await readLogFacts(client, trust.log);
      const directory = await readDirectory(client, at);
      const plan = planContract({
        ...{ header, directory, shards: new Map(Object.entries(shards)) },
        roles: openings.map(({ role }) => role),
        wishes: {
          only: nodesCalled(directory, options.node),
          uptimeMin: options.uptime,
          latencyMsMax: options.latency,
          latencies: options.latency === undefined ? undefined : await latenciesOf(directory),
        },
      });
      if (plan.is === 'none') context.exitStatus = 1;
      const result = planResult({ id, header, plan, directory });
      const money = await MoneyText.of(client, [header.budget.currency]);
      printResult(context, options, result, () =>
        describePlan({ header, plan, directory }, money, context.terminal.style),
      );
    });
}

function nodesCalled(
  { nodes }: Directory,
  names: readonly string[] | undefined,
): ReadonlySet<NodeId> | undefined {
  if (names === undefined) return undefined;
  const wanted = new Set(names);
  return new Set(nodes.flatMap(({ id, name }) => (wanted.has(id) || wanted.has(name) ? [id] : [])));
}

/** Measured from this machine, to nodes that are heard of. */
async function latenciesOf({ nodes }: Directory): Promise<ReadonlyMap<NodeId, number | undefined>> {
  const latencies = new Map<NodeId, number | undefined>();
  const waiting = nodes.filter(({ presence }) => presence === 'alive').values();
  const work = async (): Promise<void> => {
    for (const { id, addresses } of waiting) latencies.set(id, await measureLatency(addresses));
  };
  await Promise.all(Array.from({ length: measuredMax }, work));
  return latencies;
}

/** For commander: a part of a whole, from 0 to 1. */
export function parsePart(text: string): number {
  const part = Number(text);
  if (text.trim() !== '' && part >= 0 && part <= 1) return part;
  throw new InvalidArgumentError('give a part such as 0.99');
}

function parseMs(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('give a whole number of milliseconds');
}
