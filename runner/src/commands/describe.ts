import { formatBytes, GridError, isGridError } from '@commongrid/base';
import type { NodeStatus, Service } from '@commongrid/node';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import type { GridErrorCode } from '../errors.ts';
import type { OwnedNode } from '../node/owned-grid.ts';
import { formatTable } from '../terminal.ts';
import { formatTime } from './bcdb/options.ts';
import { parseBotName } from './bot/bot-options.ts';
import { contractsIn, statusIn } from './contract/contract-view.ts';
import type { ContractView } from './contract/contract-view.ts';
import { inEveryView } from './contract/every-view.ts';
import { describeShown, shownOf } from './contract/show.ts';
import { describeLook, lookAt } from './contract/status.ts';
import type { ContractLook } from './contract/status.ts';
import { contractNamed, ownFound } from './ls.ts';
import { MoneyText } from './market/money-text.ts';
import { ownedGrid } from './node/farm.ts';
import { askNode } from './node/node-folder-option.ts';

type DescribeOptions = JsonOption & { readonly bot?: string };

export function describeCommand(context: CommandContext): Command {
  return resultCommand('describe', 'Say all that there is to know of a contract, or of a node.')
    .argument('<contract-or-node>', 'its name or id; nodes are those of your farms')
    .option('--bot <name>', 'what this bot knows of it', parseBotName)
    .action(async (name: string, options: DescribeOptions) => {
      const [every, node] = await Promise.all([
        inEveryView(context, options.bot, async (view) => ({
          contract: await describedIn(context, view, name),
          placed: placedIn(view),
        })),
        nodeCalled(context, options, name),
      ]);
      const seen = every.seen.map((one) => ({ ...one, found: one.found.contract }));
      const isContract = seen.some(({ found }) => found !== undefined);
      if (isContract && node !== undefined) throw ambiguous(name, node);
      if (node === undefined) {
        const { text, ...found } = ownFound({ ...every, seen }, name);
        const result = { schema: 'grid.describe.contract.1', ...found };
        printResult(context, options, result, () => text);
        return;
      }
      const placed = every.seen.flatMap(({ found }) => found.placed);
      await printNode(context, options, node, placed);
    });
}

/** Undefined where the bot knows none of that name. */
async function describedIn(context: CommandContext, view: ContractView, name: string) {
  const contract = contractNamed(view, name);
  if (contract === undefined) return undefined;
  const look = await lookAt(context, view, contract);
  const shown = await shownOf(view, contract);
  const currencies = [shown.budget, ...shown.places].map(({ currency }) => currency);
  const money = await MoneyText.of(view.client, currencies);
  const { style } = context.terminal;
  const text = [
    describeLook(context, look),
    ...describeEvents(look),
    '',
    style.strong('contract'),
    describeShown(shown, money, style),
  ].join('\n');
  const { names: _names, ...seen } = look;
  return { ...contract, ...seen, shown, text };
}

/** What nodes said last of each workload, the newest at the end. */
function describeEvents({ status, names }: ContractLook): readonly string[] {
  const said = status.workloads.flatMap(({ role, replica, node, event }) =>
    event === undefined ? [] : [{ role, replica, node, event }],
  );
  const rows = said
    .toSorted((one, other) => one.event.at - other.event.at)
    .map(({ role, replica, node, event }) => [
      `  ${formatTime(event.at)}`,
      `${role}/${replica}`,
      names.get(node) ?? node,
      event.phase,
      [event.code, event.message].filter((part) => part !== undefined).join(': '),
    ]);
  return rows.length === 0 ? [] : ['', 'Last events', formatTable(rows)];
}

interface PlacedHere {
  readonly id: string;
  readonly name: string;
  readonly node: string;
  readonly phase: string;
}

/** What of the contracts that a bot knows stands where. */
function placedIn(view: ContractView): readonly PlacedHere[] {
  return contractsIn(view.fold).flatMap(({ id: contract, header }) =>
    statusIn(view, contract).workloads.map(({ id, role, replica, node, event }) => ({
      ...{ id, name: `${header.name}/${role}/${replica}`, node },
      phase: event?.phase ?? 'its node said nothing yet',
    })),
  );
}

/** A node of the owner's farms; undefined where none is called so. */
async function nodeCalled(
  context: CommandContext,
  { bot }: DescribeOptions,
  name: string,
): Promise<HeardNode | undefined> {
  const { client, grid } = await ownedGrid(context, bot === undefined ? {} : { bot });
  const found = (await grid.nodes()).filter(({ node }) => [node.id, node.name].includes(name));
  const [one] = found;
  if (one === undefined) return undefined;
  if (found.length > 1) throw ambiguous(name, one);
  const heard = await client
    .read<Heard>(`/v1/presence/${one.node.id}`)
    .catch((error: unknown): Heard => {
      if (isGridError(error, 'BCDB_NOT_FOUND')) return { standing: 'never heard', silentMs: null };
      throw error;
    });
  return { ...one, heard };
}

type HeardNode = OwnedNode & { readonly heard: Heard };

/** As the route of presence has it: docs/formats/bcdb-http.md. */
interface Heard {
  /** `alive`, `suspect`, `lost` ... */
  readonly standing: string;
  /** Since its last word, ms; null when there was none. */
  readonly silentMs: number | null;
}

async function printNode(
  context: CommandContext,
  options: DescribeOptions,
  { node, farm, standing, heard: { standing: presence, silentMs } }: HeardNode,
  placed: readonly PlacedHere[],
): Promise<void> {
  const own = await statusHere(context, node.id);
  const byId = new Map(placed.filter((one) => one.node === node.id).map((one) => [one.id, one]));
  const workloads = [...byId.values()];
  const service: Service | 'closed' =
    own?.service ?? (node.isDraining === true ? 'closed' : 'open');
  const result = {
    ...{ schema: 'grid.describe.node.1', node: node.id, name: node.name, farm: farm.name },
    ...{ standing: standing ?? null, presence, silentMs, isHere: own !== undefined },
    service,
    ...{ addresses: node.addresses, capacity: node.capacity, used: own?.used ?? null, workloads },
  };
  const { style } = context.terminal;
  const heard = silentMs === null ? '' : `, heard ${Math.round(silentMs / 1000)} s ago`;
  printResult(context, options, result, ({ capacity }) =>
    [
      style.strong(`${node.name} is ${presence}${heard}`),
      formatTable([
        ['  node', node.id],
        ['  farm', `${farm.name} in ${farm.location.city}, ${farm.location.country}`],
        ['  standing', standing ?? `not adopted: grid node adopt ${node.name}`],
        ['  takes', serviceTexts[service]],
        ['  addresses', node.addresses.join(', ')],
        ['  machine', own === undefined ? 'another one: its orders are given there' : 'this one'],
        ['  cores', `${capacity.cpuMilli / 1000}`],
        ['  memory', formatBytes(capacity.memoryBytes)],
        ['  disk', `${formatBytes(capacity.ssdBytes)} of SSD`],
      ]),
      ...(workloads.length === 0
        ? []
        : [
            '',
            style.strong('Workloads'),
            formatTable(workloads.map((one) => [`  ${one.name}`, one.phase])),
          ]),
    ].join('\n'),
  );
}

const serviceTexts: Readonly<Record<Service | 'closed', string>> = {
  open: 'what is placed on it',
  closed: 'nothing new: grid uncordon, on its machine',
  cordoned: 'nothing new, and what runs stays: grid uncordon',
  draining: 'nothing new, and what runs leaves: grid uncordon',
};

/** Undefined where it is not the node of this machine, or does not run. */
async function statusHere(context: CommandContext, node: string): Promise<NodeStatus | undefined> {
  try {
    const status = await askNode<NodeStatus>(context, {}, 'status');
    return status.id === node ? status : undefined;
  } catch (error) {
    if (isGridError(error)) return undefined;
    throw error;
  }
}

function ambiguous(name: string, { node }: OwnedNode): GridError<GridErrorCode> {
  return new GridError('GRID_NAME_AMBIGUOUS', `several contracts or nodes are called ${name}`, {
    hint: `give an id: that of a node is ${node.id}; those of contracts: grid ls --json`,
    details: { node: node.id },
  });
}
