import { plainText } from '../../terminal.ts';
import { formatTime } from '../bcdb/options.ts';
import type { PlanFacts } from './plan-result.ts';

/** By which prices a plan goes, where it looks at farms of others: lists, and what farmers said. */
export function describePrices({ header, plan, directory }: PlanFacts): readonly string[] {
  const answers = [...directory.farms.values()].flatMap(({ name, answer }) =>
    answer === undefined ? [] : [{ name, answer }],
  );
  const isRented =
    plan.is === 'found' &&
    plan.items.some(({ farm }) => directory.farms.get(farm)?.owner !== header.owner);
  if (answers.length === 0) {
    if (!isRented) return [];
    return [
      '  prices are those of lists: no bot of the owner asked for quotes, which may be lower',
    ];
  }
  const quoted = answers.flatMap(({ answer }) => (answer.is === 'quoted' ? [answer.untilMs] : []));
  const others = answers.flatMap(({ name, answer }) => {
    if (answer.is === 'quoted') return [];
    const what = answer.is === 'declined' ? 'declined' : 'gave no quote, so its list counts';
    return [plainText(`    ${name} ${what}: ${answer.message}`)];
  });
  const until =
    quoted.length === 0 ? '' : `, until ${formatTime(Math.min(...quoted))}; none is locked`;
  return [
    `  ${quoted.length} of ${answers.length} farms that were asked gave quotes${until}`,
    ...others,
  ];
}
