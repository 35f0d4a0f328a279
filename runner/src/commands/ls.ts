import type { ContractStatus } from '@commongrid/contract';
import { placeOf } from '@commongrid/model';
import type { Contract } from '@commongrid/model';
import type { Command } from 'commander';

import { botsHere } from '../bot-service/bots-here.ts';
import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import { contractCalled } from '../node/owned-grid.ts';
import { formatTable } from '../terminal.ts';
import { formatTime } from './bcdb/options.ts';
import { parseBotName } from './bot/bot-options.ts';
import { monthlyCost } from './contract/contract-cost.ts';
import { botName, contractIn, contractsIn, statusIn } from './contract/contract-view.ts';
import type { ContractView, KnownContract } from './contract/contract-view.ts';
import { inEveryView } from './contract/every-view.ts';
import type { EveryView } from './contract/every-view.ts';
import { lookAt } from './contract/status.ts';
import { MoneyText } from './market/money-text.ts';
import { duration } from './node/workloads.ts';

type LsOptions = JsonOption & { readonly bot?: string; readonly all?: true };

export function lsCommand(context: CommandContext): Command {
  return resultCommand('ls', 'List contracts of the bots here; or of one what runs, and where.')
    .argument('[contract]', 'its name or id')
    .option('--bot <name>', 'only what this bot owns, signs or controls', parseBotName)
    .option('--all', 'also what is closed')
    .action(async (name: string | undefined, options: LsOptions) => {
      if (name === undefined) await listContracts(context, options);
      else await listWorkloads(context, options, name);
    });
}

async function listContracts(context: CommandContext, options: LsOptions): Promise<void> {
  const home = new Set((await botsHere(context.environment.home)).map(({ id }) => id));
  const { seen, unknown } = await inEveryView(context, options.bot, async (view) => {
    const own = contractsIn(view.fold).filter(({ header }) => {
      return header.owner === view.bot || home.has(header.owner) || hasSayIn(header, view.bot);
    });
    return Promise.all(own.map((contract) => rowOf(view, contract)));
  });
  const rows = new Map<string, ContractRow>();
  // Its owner knows most of it.
  for (const { bot, found } of seen) {
    for (const row of found) {
      if (row.owner === bot || !rows.has(row.contract)) rows.set(row.contract, row);
    }
  }
  const all = [...rows.values()].filter(({ phase }) => options.all === true || phase !== 'closed');
  const contracts = all.toSorted((one, other) => (one.name < other.name ? -1 : 1));
  for (const line of unknown) context.terminal.note(`not asked: ${line}`);
  const result = { schema: 'grid.ls.1', contracts, unknown };
  printResult(context, options, result, () =>
    contracts.length === 0
      ? 'there are none; next: ./grid deploy --list'
      : formatTable(contracts.map(describeRow)),
  );
}

type ContractRow = Awaited<ReturnType<typeof rowOf>>;

async function rowOf({ fold, now, client }: ContractView, { id, header }: KnownContract) {
  const { phase, isHalted, isRejected, readyCount, workloads } = statusIn({ fold, now }, id);
  const cost = monthlyCost(fold, id);
  const money = await MoneyText.of(client, cost.keys());
  const ends = workloads.flatMap(({ paidUntilMs }) => paidUntilMs ?? []);
  return {
    ...{ contract: id, name: header.name, owner: header.owner },
    ownerName: botName(fold, header.owner),
    ...{ phase, isHalted, isRejected, readyCount, workloadCount: workloads.length },
    perMonth: [...cost].map(([currency, amount]) => {
      return { currency, amount: String(amount), shown: money.show(amount, currency) };
    }),
    /** When the money of its first place ends, ms since 1970; null where nothing is paid for. */
    paidUntilMs: ends.length === 0 ? null : Math.min(...ends),
    untilMs: header.term.untilMs,
  };
}

function describeRow(row: ContractRow): readonly string[] {
  const { name, phase, isHalted, isRejected, readyCount, workloadCount, paidUntilMs } = row;
  const mark = isHalted ? ', halted' : isRejected ? ', rejected' : '';
  const costs = row.perMonth.map(({ shown }) => shown).join(' and ');
  return [
    name,
    `${phase}${mark}`,
    workloadCount === 0 ? 'nothing placed' : `${readyCount} of ${workloadCount} ready`,
    costs === '' ? 'no rent' : `${costs} a month`,
    paidUntilMs === null
      ? `until ${formatTime(row.untilMs)}`
      : `paid until ${formatTime(paidUntilMs)}`,
    row.ownerName,
  ];
}

/** Whether a bot has to agree to something, or places it. */
function hasSayIn({ policy, controllers }: Contract, bot: string): boolean {
  const lines = [policy.provision, policy.upgrade, policy.remove].flat();
  const named: readonly string[] = controllers;
  return named.includes(bot) || lines.some(({ signers }) => signers.some((one) => one === bot));
}

async function listWorkloads(
  context: CommandContext,
  options: LsOptions,
  name: string,
): Promise<void> {
  const every = await inEveryView(context, options.bot, async (view) => {
    const contract = contractNamed(view, name);
    return contract && { ...contract, ...(await workloadsOf(context, view, contract)) };
  });
  const { id, header, workloads } = ownFound(every, name);
  const result = { schema: 'grid.ls.contract.1', contract: id, name: header.name, workloads };
  printResult(
    context,
    options,
    result,
    () => formatTable(workloads.map(describeWorkload)) || 'nothing of it is placed',
  );
}

/** Undefined where the bot does not know such a contract. @throws GRID_NAME_AMBIGUOUS */
export function contractNamed(view: ContractView, name: string): KnownContract | undefined {
  const isKnown = contractsIn(view.fold).some(({ id, header }) => [id, header.name].includes(name));
  return isKnown ? contractIn(view, name) : undefined;
}

/** What its owner knows of the contract of that name. @throws GRID_CONTRACT_UNKNOWN, GRID_NAME_AMBIGUOUS */
export function ownFound<T extends KnownContract>(
  { seen }: EveryView<T | undefined>,
  name: string,
): T {
  const known = seen.flatMap(({ bot, found }) => (found === undefined ? [] : [{ bot, ...found }]));
  const byId = new Map(known.map((one) => [one.id, one]));
  for (const one of known) if (one.header.owner === one.bot) byId.set(one.id, one);
  return contractCalled([...byId.values()], name);
}

async function workloadsOf(context: CommandContext, view: ContractView, contract: KnownContract) {
  const { status, names, published } = await lookAt(context, view, contract);
  const { at } = view.now;
  const workloads = status.workloads.map(({ id, role, replica, node, event, isReady }) => {
    const placedMs = placeOf(view.fold.workload(id))?.moment.at;
    return {
      ...{ id, name: `${contract.header.name}/${role}/${replica}`, node },
      nodeName: names.get(node) ?? node,
      ...{ phase: event?.phase ?? null, code: event?.code ?? null, isReady },
      addresses: addressesOf(published, { role, replica }),
      /** Since it was placed there, ms. */
      ageMs: placedMs === undefined ? null : Math.max(0, at - placedMs),
    };
  });
  return { workloads };
}

function addressesOf(
  published: Awaited<ReturnType<typeof lookAt>>['published'],
  { role, replica }: Pick<ContractStatus['workloads'][number], 'role' | 'replica'>,
): readonly string[] {
  const own = published.filter((one) => one.role === role && one.replica === replica);
  return own.map(({ address }) => address);
}

function describeWorkload(
  one: Awaited<ReturnType<typeof workloadsOf>>['workloads'][number],
): readonly string[] {
  const { name, nodeName, phase, code, addresses, ageMs } = one;
  return [
    name,
    [phase ?? 'its node said nothing yet', code ?? ''].join(' ').trim(),
    nodeName,
    addresses.join(', ') || '-',
    ageMs === null ? '' : duration(ageMs),
  ];
}
