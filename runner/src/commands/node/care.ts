import { formatBytes } from '@commongrid/base';
import type { Finding, Orphan } from '@commongrid/node';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { counted, formatTable } from '../../terminal.ts';
import { askNode, nodeFolderOf, nodeSubcommand } from './node-folder-option.ts';
import type { NodeOptions } from './node-folder-option.ts';

export function nodeGcCommand(context: CommandContext): Command {
  return nodeSubcommand('gc', 'Take away what belongs to no workload of the node. Data stays.')
    .option('--dry-run', 'only list it')
    .action(async (options: NodeOptions & { readonly dryRun?: true }) => {
      const isDry = options.dryRun === true;
      const action = isDry ? 'orphans' : 'collect';
      const found = await askNode<readonly Orphan[]>(context, options, action);
      const result = { schema: 'grid.node.gc.1', isDry, found };
      printResult(context, options, result, () => describeOrphans(found, isDry));
    });
}

export function nodeDoctorCommand(context: CommandContext): Command {
  return nodeSubcommand(
    'doctor',
    'Try what a node needs of this machine. Exit status 1 when something is missing.',
  ).action(async (options: NodeOptions) => {
    const { examineMachine } = await import('@commongrid/node');
    const findings = await examineMachine(nodeFolderOf(context, options).path);
    const result = { schema: 'grid.node.doctor.1', findings };
    printResult(context, options, result, () => describeFindings(findings));
    if (findings.some(({ isOk }) => !isOk)) context.exitStatus = 1;
  });
}

export function describeFindings(findings: readonly Finding[]): string {
  return formatTable(
    findings.map(({ name, isOk, says, next }) => {
      const [line = ''] = says.split('\n');
      return [isOk ? 'ok' : 'missing', name, next === undefined ? line : `${line}; next: ${next}`];
    }),
  );
}

export function describeOrphans(found: readonly Orphan[], isDry: boolean): string {
  if (found.length === 0) return 'there is nothing without an owner';
  const rows = found.map(({ kind, key, dataBytes }) => {
    const data = dataBytes === 0 ? 'no data' : `${formatBytes(dataBytes)} of data: stays`;
    return [key, kind, isDry ? data : 'taken away'];
  });
  return `${formatTable(rows)}\n${counted(found.length, 'thing')}`;
}
