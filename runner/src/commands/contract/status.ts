import assert from 'node:assert/strict';

import { contractStatus } from '@commongrid/contract';
import type { ContractStatus } from '@commongrid/contract';
import type { SignatureLine } from '@commongrid/model';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable } from '../../terminal.ts';
import type { Style } from '../../terminal.ts';
import { serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { formatTime } from '../bcdb/options.ts';
import { contractIn, withContractView } from './contract-view.ts';

export function contractStatusCommand(context: CommandContext): Command {
  return serverCommand('status', 'Say how far a contract is: who signed, what runs, what waits.')
    .argument('<contract>', 'its name, or its id')
    .action(async (name: string, options: ServerOptions) => {
      const status = await withContractView(context, options, async ({ fold, now }) => {
        const known = contractStatus(fold, contractIn(fold, name).id, now);
        assert(known !== undefined, 'a contract whose header is accepted has a state');
        return known;
      });
      const result = { schema: 'grid.contract.status.1', ...status };
      printResult(context, options, result, () => describe(status, context.terminal.style));
    });
}

function describe(status: ContractStatus, style: Style): string {
  const { name, id, phase, isHalted, isRejected, signatures, workloads, readyCount } = status;
  const halted = isHalted ? ', halted: nothing new is placed' : '';
  const rejected = isRejected ? ', rejected: those who are left are too few' : '';
  const ready = workloads.length === 0 ? '' : `, ${readyCount} of ${workloads.length} ready`;
  return [
    style.strong(`${name} is ${phase}${ready}${halted}${rejected}`),
    id,
    ...(signatures.length === 0 ? [] : ['', style.strong('Signatures'), describeLines(signatures)]),
    ...(workloads.length === 0 ? [] : ['', style.strong('Workloads'), describeWorkloads(status)]),
  ].join('\n');
}

function describeLines(lines: readonly SignatureLine[]): string {
  return formatTable(
    lines.map(({ role, min, signers, signed }) => [
      `  ${role}`,
      `${signed.length} of ${min} that are needed, out of ${signers.length}`,
    ]),
  );
}

function describeWorkloads({ workloads }: ContractStatus): string {
  return formatTable(
    workloads.map(({ role, replica, node, event, paidUntilMs }) => [
      `  ${role}/${replica}`,
      event?.phase ?? 'its node said nothing yet',
      node,
      paidUntilMs === undefined ? 'nothing to pay' : `paid until ${formatTime(paidUntilMs)}`,
      [event?.code, event?.message, event?.hint].filter((text) => text !== undefined).join(': '),
    ]),
  );
}
