import type {
  Directory,
  DirectoryFarm,
  FoundPlan,
  RoleReplacement,
  RoleTolerance,
  Tolerance,
} from '@commongrid/contract';
import type { BotId, Contract, FarmId, NodeId } from '@commongrid/model';

import { counted, formatTable, plainText } from '../../terminal.ts';
import type { Style } from '../../terminal.ts';
import type { MoneyText } from '../market/money-text.ts';
import { describeNoPlan } from './describe-obstacles.ts';
import { describePrices } from './describe-prices.ts';
import type { PlanFacts } from './plan-result.ts';

/** A plan for people. */
export function describePlan(
  { header, plan, directory, latencies }: PlanFacts,
  money: MoneyText,
  style: Style,
): string {
  const name = plainText(header.name);
  if (plan.is === 'none') {
    const title = plan.isProven
      ? `${name} does not fit`
      : `${name}: nothing that fits was found in time`;
    const prices = describePrices({ header, plan, directory });
    const why = describeNoPlan(plan, header, money);
    return [style.bad(title), ...describeFormer(header), ...why, ...prices].join('\n');
  }
  return [
    style.strong(`${name} fits on ${counted(nodesOf(plan).length, 'node')}`),
    ...describeFormer(header),
    describeItems({ plan, directory, latencies }, (amount) => {
      return money.show(amount, plan.cost.currency);
    }),
    '',
    style.strong('Cost'),
    ...describeCost(plan, header, money),
    ...describePrices({ header, plan, directory }),
    '',
    style.strong('What may be lost at once'),
    formatTable([
      ...plan.tolerance.map((role) => [`  ${role.role}`, describeTolerance(role)]),
      ...describeWhole(plan),
    ]),
    '',
    style.strong('When a node or a farm is lost'),
    formatTable(
      plan.replacements.map((role) => [`  ${role.role}`, describeReplacement(role, directory)]),
    ),
    '',
    style.strong('While the database is away'),
    ...describeAlone(plan, header),
    ...(plan.secrets.length === 0 ? [] : ['', style.strong('Who can read secrets')]),
    ...describeSecrets(plan, directory),
  ].join('\n');
}

/** Of an upgrade: what else takes room. */
function describeFormer({ replaces }: Contract): readonly string[] {
  if (replaces === undefined) return [];
  return ['  beside what runs of the contract that it replaces, which ends unit by unit'];
}

/** Replicas of a role on a node in one row. */
function describeItems(
  {
    plan: { items },
    directory: { nodes, farms },
    latencies,
  }: Pick<PlanFacts, 'directory' | 'latencies'> & { readonly plan: FoundPlan },
  shown: (amount: bigint) => string,
): string {
  const known = new Map(nodes.map((node) => [node.id, node]));
  const rows = [...Map.groupBy(items, ({ role, node }) => `${role} ${node}`).values()].map(
    (own) => {
      const [first] = own;
      const farm = first && farms.get(first.farm);
      const node = first && known.get(first.node);
      const perMonth = own.reduce((sum, one) => sum + one.perMonth, 0n);
      return [
        `  ${first?.role}/${own.map(({ replica }) => replica).join(',')}`,
        node?.name ?? first?.node ?? '',
        `${farm?.name}, ${farm?.city} ${farm?.country}`,
        node?.uptime === undefined ? 'new' : `there ${(node.uptime * 100).toFixed(1)} %`,
        ...(latencies === undefined || node === undefined
          ? []
          : [`${(latencies.get(node.id) ?? Infinity).toFixed(1)} ms from here`]),
        perMonth === 0n ? 'nothing to pay' : `${shown(perMonth)} a month, ${priceKind(farm)}`,
      ];
    },
  );
  return formatTable(rows);
}

function priceKind(farm: DirectoryFarm | undefined): string {
  return farm?.answer?.is === 'quoted' ? 'quoted' : 'by the list';
}

function describeCost(
  { cost }: FoundPlan,
  { budget }: Contract,
  money: MoneyText,
): readonly string[] {
  const { currency, perMonth, total, perMonthBound, isCheapest } = cost;
  if (perMonth === 0n) return ['  nothing: all of it is on machines of the owner'];
  const shown = (amount: bigint | string): string => money.show(BigInt(amount), currency);
  const sure = isCheapest
    ? 'no other choice costs less'
    : `the best that was found in time; none costs less than ${shown(perMonthBound)} a month`;
  return [
    `  ${shown(perMonth)} of ${shown(budget.perMonth)} a month`,
    `  ${shown(total)} of ${shown(budget.total)} in all`,
    `  ${sure}`,
  ];
}

function describeTolerance(role: RoleTolerance): string {
  const { needed, replicas, data, beside } = role;
  if (needed === undefined) return "unknown: say what its shards are, as in shards: '16+4'";
  if (data === 'local') {
    return 'nothing: its data is on one node alone, and waits for it';
  }
  const verb = data === 'none' ? 'is enough' : 'are needed';
  const others = beside.length === 0 ? '' : `, those of ${beside.join(', ')} among them`;
  return `${borneText(role)}; ${needed} of ${replicas} ${verb}${others}`;
}

/** Where there are several roles: what all of them bear, and those with data, where others have none. */
function describeWhole({ tolerance, whole, data }: FoundPlan): readonly (readonly string[])[] {
  if (tolerance.length < 2) return [];
  const text = (borne: Tolerance | undefined): string =>
    borne === undefined ? 'unknown, as one of its roles' : borneText(borne);
  const keeping = tolerance.filter((role) => role.data !== 'none').length;
  const isMixed = keeping > 0 && keeping < tolerance.length;
  return [['  all of it', text(whole)], ...(isMixed ? [['  its data', text(data)]] : [])];
}

function borneText({ nodes, farms, owners, countries }: Tolerance): string {
  const borne = [
    ...(nodes > 0 ? [`any ${counted(nodes, 'node')}`] : []),
    ...(farms > 0 ? [`any ${counted(farms, 'farm')}`] : []),
    ...(owners > 0 && owners !== farms ? [`any ${counted(owners, 'owner')}`] : []),
    ...(countries > 0 ? [`any ${countries === 1 ? '1 country' : `${countries} countries`}`] : []),
  ];
  return borne.length === 0 ? 'nothing' : borne.join(', or ');
}

function describeReplacement(
  { isTied, nodes, farms }: RoleReplacement,
  { nodes: listed, farms: all }: Directory,
): string {
  if (isTied) return 'it waits for its node: what is on it is nowhere else';
  const nodeName = (id: NodeId): string => listed.find((one) => one.id === id)?.name ?? id;
  const farmName = (id: FarmId): string => all.get(id)?.name ?? id;
  return [
    lossText(nodes, 'node', nodes.stuck.map(nodeName)),
    lossText(farms, 'farm', farms.stuck.map(farmName)),
  ].join('; ');
}

/** @param stuck names of those after whose loss something waits */
function lossText(
  { triedCount }: { readonly triedCount: number },
  what: 'node' | 'farm',
  stuck: readonly string[],
): string {
  const tried = triedCount === 1 ? `its ${what}` : `any of its ${triedCount} ${what}s`;
  if (stuck.length === 0) return `what was on ${tried} finds room elsewhere now`;
  const where = stuck.length === triedCount ? tried : shortened(stuck);
  return `what was on ${where} is not replaced: no other node has room and suits now`;
}

function describeAlone(
  { alone: { keep, stop } }: FoundPlan,
  { heal, term }: Contract,
): readonly string[] {
  const days = Math.round(term.graceMs / 86_400_000);
  return [
    ...(keep.length === 0 ? [] : [`  ${keep.join(', ')}: go on; nothing lost is replaced`]),
    ...(stop.length === 0
      ? []
      : [`  ${stop.join(', ')}: stop within ${heal.replaceAfterMs / 1000} s on nodes cut off`]),
    `  nothing new starts; at the end of the term, ${dayOf(term.untilMs)}, all pauses after ${days} days`,
  ];
}

function describeSecrets({ secrets }: FoundPlan, { nodes, bots }: Directory): readonly string[] {
  const names = new Map<NodeId, string>(nodes.map(({ id, name }) => [id, name]));
  const rows = secrets.map(({ secret, nodes: own, owners, keepers }) => {
    const where = own.map((id) => names.get(id) ?? id);
    const whose = owners.map((id: BotId) => bots.get(id) ?? id);
    return [
      `  ${secret}`,
      [
        'its author',
        ...(own.length === 0
          ? []
          : [`${counted(own.length, 'node')} of ${whose.join(', ')}: ${shortened(where)}`]),
        ...(keepers.length === 0 ? [] : [`keepers ${keepers.join(', ')}`]),
      ].join('; '),
    ];
  });
  return rows.length === 0 ? [] : [formatTable(rows)];
}

function nodesOf({ items }: FoundPlan): readonly NodeId[] {
  return [...new Set(items.map(({ node }) => node))];
}

function shortened(names: readonly string[]): string {
  const shown = names.slice(0, namesMax).join(', ');
  return names.length > namesMax ? `${shown}, ...` : shown;
}

/** Nodes that are named where there may be many. */
const namesMax = 8;

function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}
