import { formatBytes } from '@commongrid/base';
import { needTexts } from '@commongrid/contract';
import type { ContractChange, NoPlan, Obstacle, SpreadLimit } from '@commongrid/contract';
import type { Amount, Contract } from '@commongrid/model';

import type { MoneyText } from '../market/money-text.ts';

/** Why a contract does not fit, and what would let it fit. */
export function describeNoPlan(
  { obstacles, changes }: NoPlan,
  { budget }: Contract,
  money: MoneyText,
): readonly string[] {
  const all = changes.map((one) => {
    const other = one.find(({ path }) => path === '/budget/currency')?.to;
    const to = typeof other === 'string' ? other : budget.currency;
    const currencies = { from: budget.currency, to };
    return `    ${one.map((change) => describeChange(change, currencies, money)).join(', and ')}`;
  });
  const title = '  it fits with any one of these changes:';
  return [
    ...obstacles.flatMap((obstacle) => describeObstacle(obstacle, money)),
    ...(all.length === 0
      ? ['  no change of one value was found that lets it fit']
      : [title, ...all]),
  ];
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

/** Options of the command, by the wishes that they are. */
const optionTexts: Readonly<Record<string, string>> = {
  only: 'without options that name nodes, farms, owners or countries',
  uptimeMin: 'without --uptime',
  latencyMsMax: 'without --latency',
};

function describeChange(
  { role, path, from, to }: ContractChange,
  currencies: { readonly from: string; readonly to: string },
  money: MoneyText,
): string {
  const option = optionTexts[path];
  if (option !== undefined) return option;
  const name = path.slice(1).replaceAll('/', '.');
  const isBytes = name.endsWith('Bytes');
  const isMoney = name === 'budget.perMonth' || name === 'budget.total';
  const shown = (value: unknown, currency: string): string => {
    if (isMoney) return money.show(BigInt(value as Amount | bigint), currency);
    if (isBytes) return formatBytes(Number(value));
    return Array.isArray(value) ? value.join(', ') : String(value);
  };
  const [next, former] = [shown(to, currencies.to), shown(from, currencies.from)];
  return `${role === undefined ? '' : `${role}: `}${name} ${next} in place of ${former}`;
}
