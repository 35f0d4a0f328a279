import { formatBytes } from '@commongrid/base';
import { readDirectory } from '@commongrid/contract';
import { parseAmount } from '@commongrid/wallet';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable } from '../../terminal.ts';
import { connect, serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { parsePart } from '../contract/plan.ts';
import { addText } from '../node/node-arguments.ts';
import { currencyOf } from '../wallet/own-wallet.ts';
import { MoneyText } from './money-text.ts';
import { searchNodes } from './search-nodes.ts';
import type { FoundNode } from './search-nodes.ts';
import { resourcesOf, withSize } from './wanted-size.ts';
import type { SizeOptions } from './wanted-size.ts';

type SearchOptions = ServerOptions &
  SizeOptions & {
    readonly country?: readonly string[];
    readonly farm?: readonly string[];
    readonly feature?: readonly string[];
    readonly currency?: string;
    readonly uptime?: number;
    readonly maxPrice?: string;
  };

export function marketSearchCommand(context: CommandContext): Command {
  const command = serverCommand('search', 'Find nodes with room, and what it costs there.');
  return withSize(command)
    .option('--country <code>', 'two letters, such as BE; again for more', addCountry)
    .option('--farm <name>', 'by name or id; again for more', addText)
    .option('--feature <name>', 'such as zdb; again for each that is needed', addText)
    .option('--uptime <part>', 'only nodes that were there for this part of the time', parsePart)
    .option('--currency <code>', 'only prices in this one')
    .option('--max-price <amount>', 'most that a month may cost; with --currency')
    .addHelpText('after', '\nPrices are those of farms; a quote may be lower: grid market quote.')
    .action(async (options: SearchOptions) => {
      const { country: countries, farm: farms, feature: features, currency } = options;
      const { client } = await connect(context, options);
      // Log time stands still while nothing is said.
      const directory = await readDirectory(client, Date.now());
      const found = searchNodes(directory, {
        ...{
          resources: resourcesOf(options),
          countries,
          farms,
          features,
          currency,
          uptimeMin: options.uptime,
        },
        perMonthMax: await mostOf(client, options),
      });
      const money = await MoneyText.of(
        client,
        found.map((one) => one.currency),
      );
      const result = { schema: 'grid.market.search.1', nodes: found.map(plain) };
      printResult(context, options, result, () => describe(found, money));
    });
}

async function mostOf(
  client: Parameters<typeof currencyOf>[0],
  { maxPrice, currency }: SearchOptions,
): Promise<bigint | undefined> {
  if (maxPrice === undefined) return undefined;
  if (currency === undefined) {
    throw new InvalidArgumentError('say in which currency: --currency');
  }
  return parseAmount(maxPrice, (await currencyOf(client, currency)).decimals);
}

function plain({ node, farm, farmer, currency, perMonth }: FoundNode): object {
  const { id, name, free, features, uptime = null } = node;
  return {
    ...{ node: id, name, free, features: [...features], uptime },
    farm: { id: farm.id, name: farm.name, country: farm.country, city: farm.city },
    farmer: { id: farm.owner, name: farmer },
    ...{ currency, perMonth: String(perMonth) },
  };
}

function describe(found: readonly FoundNode[], money: MoneyText): string {
  if (found.length === 0) return 'no node that is for sale has room for that';
  const rows = found.map(({ node: { name, free }, farm, farmer, currency, perMonth }) => [
    name,
    `${farm.name}, ${farm.city} ${farm.country}`,
    farmer,
    `${free.cpuMilli / 1_000} cores`,
    `${formatBytes(free.memoryBytes)} memory`,
    `${formatBytes(free.ssdBytes)} SSD`,
    `${money.show(perMonth, currency)} a month`,
  ]);
  return formatTable(rows);
}

function addCountry(text: string, before: readonly string[] = []): readonly string[] {
  if (/^[A-Z]{2}$/.test(text)) return [...before, text];
  throw new InvalidArgumentError('give two capital letters, such as BE');
}
