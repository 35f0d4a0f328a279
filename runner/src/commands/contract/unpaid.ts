import { GridError } from '@commongrid/base';
import { recordTypes } from '@commongrid/model';
import type { RecordOf } from '@commongrid/model';
import type { RentedPlace } from '@commongrid/wallet';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { requireYes } from '../../confirm.ts';
import type { GridErrorCode } from '../../errors.ts';
import { counted, plainText } from '../../terminal.ts';
import { serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { formatTime } from '../bcdb/options.ts';
import { MoneyText } from '../market/money-text.ts';
import { contractIn, contractsIn, withContractView } from './contract-view.ts';
import type { ContractView, KnownContract } from './contract-view.ts';
import { describeRent, placesOf } from './describe-rent.ts';
import type { NamedPlace } from './describe-rent.ts';

type DiscardOptions = ServerOptions & { readonly yes?: true };

/** A contract, and what it has on farms of the bot. */
interface Tenancy {
  readonly contract: KnownContract;
  readonly places: readonly NamedPlace[];
}

export function contractUnpaidCommand(context: CommandContext): Command {
  return serverCommand('unpaid', 'As a farmer: list what nobody pays for any more on your nodes.')
    .argument('[contract]', 'its name or id; default: all')
    .action(async (name: string | undefined, options: ServerOptions) => {
      const { result, text } = await withContractView(context, options, async (view) => {
        const all = (await tenanciesIn(view, name)).map(({ contract, places }) => {
          const unpaid = places.filter(({ standing }) => {
            return standing !== 'paid' && standing !== 'discarded';
          });
          return { contract, places: unpaid };
        });
        const unpaid = all.filter(({ places }) => places.length > 0);
        const contracts = unpaid.map(({ contract: { id, header }, places }) => {
          return { contract: id, name: header.name, places };
        });
        const money = await moneyOf(
          view,
          contracts.flatMap(({ places }) => places),
        );
        const lines = contracts.map((one) => {
          return `${plainText(one.name)}, ${one.contract}\n${describeRent(one.places, money)}`;
        });
        const due = contracts.filter(({ places }) => places.some(isForfeit));
        const next = due.map((one) => `next: ./grid contract discard ${one.contract}`);
        return {
          result: { schema: 'grid.contract.unpaid.1', contracts },
          text: [...lines, ...next].join('\n'),
        };
      });
      printResult(context, options, result, () => text || 'all of it is paid for');
    });
}

export function contractDiscardCommand(context: CommandContext): Command {
  return serverCommand(
    'discard',
    'As a farmer: give up data on your nodes that nobody paid for; they are deleted for good.',
  )
    .argument('<contract>', 'its name or id')
    .option('--yes', 'do it without asking')
    .action(async (name: string, options: DiscardOptions) => {
      const result = await withContractView(context, options, async (view) => {
        const { id, header } = contractIn(view, name);
        const [tenancy] = await tenanciesIn(view, id);
        const places = tenancy?.places ?? [];
        const due = places.filter(isForfeit);
        if (due.length === 0) throw dataKept(header.name, places);
        const money = await moneyOf(view, due);
        context.terminal.note(`${plainText(header.name)}, ${id}\n${describeRent(due, money)}`);
        await requireYes(context, options, {
          message: 'Delete these data for good?',
          refused: 'nothing was deleted',
          command: `./grid contract discard ${name} --yes`,
        });
        for (const place of due) await bury(view, place);
        const discarded = due.map(({ workload, node, revision }) => ({ workload, node, revision }));
        return { schema: 'grid.contract.discard.1', contract: id, name: header.name, discarded };
      });
      printResult(context, options, result, ({ discarded }) => {
        return `${counted(discarded.length, 'place')} of ${plainText(result.name)}: the nodes delete the data`;
      });
    });
}

/** Contracts on nodes of farms of the bot. @param name or id; default: all */
function tenanciesIn(view: ContractView, name?: string): Promise<readonly Tenancy[]> {
  const contracts = name === undefined ? contractsIn(view.fold) : [contractIn(view, name)];
  return Promise.all(
    contracts.map(async (contract) => {
      const places = await placesOf(view, contract.id);
      return { contract, places: places.filter(({ farmer }) => farmer === view.bot) };
    }),
  );
}

function moneyOf({ client }: ContractView, places: readonly NamedPlace[]): Promise<MoneyText> {
  return MoneyText.of(
    client,
    places.map(({ currency }) => currency),
  );
}

function isForfeit({ standing }: RentedPlace): boolean {
  return standing === 'forfeit';
}

async function bury(
  { client }: ContractView,
  { workload, node, revision }: RentedPlace,
): Promise<void> {
  const url = 'grid.tombstone.1';
  const value: RecordOf<typeof url> = { workload, node, revision, reason: 'unpaid' };
  const obj = recordTypes.get(url)?.objectOf(value) ?? '';
  await client.write({ ns: 'grid', op: 'put', url, obj, value: { ...value } });
}

function dataKept(name: string, places: readonly RentedPlace[]): GridError<GridErrorCode> {
  const kept = places.filter(({ standing }) => standing !== 'paid' && standing !== 'discarded');
  const untilMs = Math.min(...kept.map(({ keptUntilMs }) => keptUntilMs));
  const why =
    kept.length === 0
      ? `nothing of ${name} on your nodes is unpaid`
      : `data of ${name} are kept until ${formatTime(untilMs)} at least`;
  return new GridError('GRID_DATA_KEPT', why, {
    hint: 'see what is paid how long: grid contract unpaid, grid contract show',
    details: { untilMs: kept.length === 0 ? null : untilMs },
  });
}
