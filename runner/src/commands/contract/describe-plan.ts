import { needTexts } from '@commongrid/contract';
import type {
  Directory,
  FoundPlan,
  Obstacle,
  RoleReplacement,
  RoleTolerance,
  SpreadLimit,
} from '@commongrid/contract';
import type { BotId, Contract, NodeId } from '@commongrid/model';

import { counted, formatTable } from '../../terminal.ts';
import type { Style } from '../../terminal.ts';
import type { MoneyText } from '../market/money-text.ts';
import type { PlanFacts } from './plan-result.ts';

/** A plan for people. */
export function describePlan(
  { header, plan, directory }: PlanFacts,
  money: MoneyText,
  style: Style,
): string {
  if (plan.is === 'none') {
    const title = plan.isProven
      ? `${header.name} does not fit`
      : `${header.name}: nothing that fits was found in time`;
    const lines = plan.obstacles.flatMap((obstacle) => describeObstacle(obstacle, money));
    return [style.bad(title), ...lines].join('\n');
  }
  return [
    style.strong(`${header.name} fits on ${counted(nodesOf(plan).length, 'node')}`),
    describeItems(plan, directory, (amount) => money.show(amount, plan.cost.currency)),
    '',
    style.strong('Cost'),
    ...describeCost(plan, header, money),
    '',
    style.strong('What may be lost at once'),
    formatTable(plan.tolerance.map((role) => [`  ${role.role}`, describeTolerance(role)])),
    '',
    style.strong('When a node is lost'),
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

/** Replicas of a role on a node in one row. */
function describeItems(
  plan: FoundPlan,
  { nodes, farms }: Directory,
  shown: (amount: bigint) => string,
): string {
  const { items } = plan;
  const names = new Map(nodes.map(({ id, name }) => [id, name]));
  const rows = [...Map.groupBy(items, ({ role, node }) => `${role} ${node}`).values()].map(
    (own) => {
      const [first] = own;
      const farm = first && farms.get(first.farm);
      const perMonth = own.reduce((sum, one) => sum + one.perMonth, 0n);
      return [
        `  ${first?.role}/${own.map(({ replica }) => replica).join(',')}`,
        first === undefined ? '' : (names.get(first.node) ?? first.node),
        `${farm?.name}, ${farm?.city} ${farm?.country}`,
        perMonth === 0n ? 'nothing to pay' : `${shown(perMonth)} a month`,
      ];
    },
  );
  return formatTable(rows);
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
  const { needed, replicas, data, nodes, farms, owners, countries } = role;
  if (needed === undefined) return "unknown: say what its shards are, as in shards: '16+4'";
  if (data === 'local') {
    return 'nothing: its data is on one node alone, and waits for it';
  }
  const borne = [
    ...(nodes > 0 ? [`any ${counted(nodes, 'node')}`] : []),
    ...(farms > 0 ? [`any ${counted(farms, 'farm')}`] : []),
    ...(owners > 0 && owners !== farms ? [`any ${counted(owners, 'owner')}`] : []),
    ...(countries > 0 ? [`any ${countries === 1 ? '1 country' : `${countries} countries`}`] : []),
  ];
  const rest =
    data === 'none'
      ? `; ${needed} of ${replicas} is enough`
      : `; ${needed} of ${replicas} are needed`;
  return borne.length === 0 ? `nothing${rest}` : `${borne.join(', or ')}${rest}`;
}

function describeReplacement(
  { isTied, triedCount, stuck }: RoleReplacement,
  { nodes }: Directory,
): string {
  if (isTied) return 'it waits for its node: what is on it is nowhere else';
  const tried = triedCount === 1 ? 'it' : `any of its ${triedCount} nodes`;
  if (stuck.length === 0) return `what was on ${tried} finds room elsewhere now`;
  const names = stuck.map((id) => nodes.find((one) => one.id === id)?.name ?? id);
  const where = stuck.length === triedCount ? '' : ` after the loss of ${shortened(names)}`;
  return `it is not replaced${where}: no other node has room and suits now`;
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

function describeObstacle(obstacle: Obstacle, money: MoneyText): readonly string[] {
  if (obstacle.is === 'together') {
    const roles = obstacle.roles.map((names) => names.join(' with ')).join('; ');
    return [`  each of these fits alone, and not beside the others: ${roles}`];
  }
  if (obstacle.is === 'budget') {
    const { currency, cost, budget, isCheapest } = obstacle;
    const what = isCheapest ? 'the cheapest choice' : 'the best choice that was found';
    const shown = (amount: bigint): string => money.show(amount, currency);
    return [
      `  ${what} costs ${shown(cost.perMonth)} a month, ${shown(cost.total)} in all`,
      `  the budget is ${shown(budget.perMonth)} a month, ${shown(budget.total)} in all`,
    ];
  }
  const { roles, wanted, placed, nodes, suiting, lacking, without } = obstacle;
  const each = lacking.map(({ need, nodes: count, only }) => {
    const alone = only > 0 ? `; ${only} lack nothing else` : '';
    return `    ${count} ${needTexts[need]}${alone}`;
  });
  return [
    `  ${roles.join(' with ')}: ${placed} of ${wanted} find a place; ${suiting} of ${nodes} nodes suit`,
    ...each,
    ...without.map(({ limit, placed: more }) => `    without ${limitTexts[limit]}: ${more}`),
  ];
}

const limitTexts: Readonly<Record<SpreadLimit, string>> = {
  perNode: 'spread.distinctNodes',
  perFarm: 'spread.perFarm',
  perOwner: 'spread.perOwner',
  perCountry: 'spread.perCountry',
};

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
