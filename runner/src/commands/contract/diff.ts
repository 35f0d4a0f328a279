import { compareContracts } from '@commongrid/contract';
import type { Agreement, Change, Comparison, UpgradeCourse } from '@commongrid/contract';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable } from '../../terminal.ts';
import type { Style } from '../../terminal.ts';
import { serverCommand } from '../bcdb/connection.ts';
import { readContract } from './read-contract.ts';
import type { ContractOptions } from './read-contract.ts';

export function contractDiffCommand(context: CommandContext): Command {
  return serverCommand('diff', 'Say what differs between two contracts, and who has to agree.')
    .argument('<from>', 'a built contract, or what one is built of')
    .argument('<to>', 'likewise')
    .option('--hub <origin>', 'where images are by their name; default: the one of `grid up`')
    .action(async (from: string, to: string, options: ContractOptions) => {
      const [former, later] = [
        await readContract(context, options, from),
        await readContract(context, options, to),
      ];
      const comparison = compareContracts(former, later);
      const result = { schema: 'grid.contract.diff.1', ...comparison };
      printResult(context, options, result, () => describe(comparison, context.terminal.style));
    });
}

function describe({ changes, agree, isUpgrade, course }: Comparison, style: Style): string {
  if (changes.length === 0) return 'they say the same';
  const groups = [...Map.groupBy(changes, ({ role }) => role)];
  const roles = groups.flatMap(([role, own]) => [
    style.strong(role ?? 'the contract'),
    formatTable(own.map((change) => ['', mark(change), ...wordsOf(change)])),
  ]);
  const upgrade = course.map((one) => [`  ${one.role}`, describeCourse(one)]);
  return [
    ...roles,
    '',
    ...(isUpgrade ? ['what the upgrade does, replica by replica:', formatTable(upgrade), ''] : []),
    ...describeAgreements(agree, isUpgrade),
  ].join('\n');
}

const courses: Readonly<Record<UpgradeCourse['course'], string>> = {
  begins: 'begins',
  overlaps:
    'starts beside the former, which ends once the new one is healthy: nothing is interrupted',
  refills: 'starts beside the former, and is filled again; the former ends once it is healthy',
  empty: 'begins empty: local data are not moved, the former goes on and keeps them',
  ends: 'ends once all of the second is healthy',
  stays: 'goes on and keeps its data, until the first contract is removed',
};

function describeCourse({ course, ports, isDoubled }: UpgradeCourse): string {
  const taken = ports.join(', ');
  return [
    courses[course],
    ...(isDoubled ? ['two run at once until then'] : []),
    ...(ports.length === 0 ? [] : [`it needs another node: port ${taken} is taken until then`]),
  ].join('; ');
}

const marks = { add: '+', remove: '-' } as const;

function mark({ effect }: Change): string {
  return effect === 'add' || effect === 'remove' ? marks[effect] : '~';
}

function wordsOf({ path, effect, from, to }: Change): readonly string[] {
  const place = path === '' ? 'the role' : path.slice(1);
  return [effect, place, `${textOf(from)} -> ${textOf(to)}`];
}

function textOf(value: unknown): string {
  const text = value === undefined ? 'none' : JSON.stringify(value);
  return text.length > textMax ? `${text.slice(0, textMax)}...` : text;
}

/** Of a value on the screen; `--json` has all of it. */
const textMax = 60;

function describeAgreements(agree: readonly Agreement[], isUpgrade: boolean): readonly string[] {
  const lines = agree.flatMap(({ action, contract, owner, lines: own }) => {
    const whose = contract === 'from' ? 'of the first' : 'of the second';
    const all = own.map(({ role, signers, min }) => `${min} of ${signers.length} as ${role}`);
    return [`  ${action}: ${owner}, owner ${whose}, and ${all.join(', and ')}`];
  });
  if (isUpgrade)
    return ['who has to agree, so that the second takes the place of the first:', ...lines];
  return ['the second does not replace the first: both would run; for that it needs:', ...lines];
}
