import { measureLatency, readDirectory } from '@commongrid/contract';
import type { Directory } from '@commongrid/contract';
import type { NodeId } from '@commongrid/model';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { readLogFacts } from '../../node/log-facts.ts';
import { connect, serverCommand } from '../bcdb/connection.ts';
import { nodesIn, withPlaces } from './plan-places.ts';
import type { PlaceOptions } from './plan-places.ts';
import { printPlan } from './print-plan.ts';
import { readContract } from './read-contract.ts';
import type { ContractOptions } from './read-contract.ts';

type PlanOptions = ContractOptions &
  PlaceOptions & {
    readonly uptime?: number;
    readonly latency?: number;
    readonly quotes: boolean;
  };

/** Nodes to which it is measured at a time. */
const measuredMax = 64;

export function contractPlanCommand(context: CommandContext): Command {
  return withPlaces(
    serverCommand('plan', 'Say where a contract would run, what it costs and what it bears.'),
  )
    .argument('<file>', 'FILE.contract.ts, JSON, or a built contract')
    .option('--uptime <part>', 'only on nodes that were there for this part of a week', parsePart)
    .option('--latency <ms>', 'only on nodes that answer this machine within', parseMs)
    .option(
      '--no-quotes',
      'by lists of prices: ask no farmer, though the bot of the owner runs here',
    )
    .option('--hub <origin>', 'where images are by their name; default: the one of `grid up`')
    .addHelpText(
      'after',
      [
        '',
        'Options are for this plan alone: whoever places goes by the contract, which names countries and',
        'farms in heal.mayMoveTo. Exit status 0 when it fits, 1 when it does not.',
      ].join('\n'),
    )
    .action(async (file: string, options: PlanOptions) => {
      const contract = await readContract(context, options, file);
      const { client, trust } = await connect(context, options);
      const { at } = await readLogFacts(client, trust.log);
      const listed = await readDirectory(client, at);
      const latencies = options.latency === undefined ? undefined : await latenciesOf(listed);
      const wishes = {
        only: nodesIn(listed, options),
        uptimeMin: options.uptime,
        latencyMsMax: options.latency,
        latencies,
      };
      const work = { client, at, listed, wishes, asksFarmers: options.quotes };
      await printPlan(context, options, contract, work);
    });
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
