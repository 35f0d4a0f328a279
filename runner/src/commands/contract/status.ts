import type { ContractStatus } from '@commongrid/contract';
import type { SignatureLine } from '@commongrid/model';
import type { Command } from 'commander';

import type { ContractStanding } from '../../bot-service/contracts-actor.ts';
import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable } from '../../terminal.ts';
import type { Style } from '../../terminal.ts';
import { serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { formatTime } from '../bcdb/options.ts';
import { contractIn, statusIn, withContractView } from './contract-view.ts';
import { standingHere } from './controller-here.ts';

export function contractStatusCommand(context: CommandContext): Command {
  return serverCommand('status', 'Say how far a contract is: who signed, what runs, what waits.')
    .argument('<contract>', 'its name, or its id')
    .action(async (name: string, options: ServerOptions) => {
      const { contract, status } = await withContractView(context, options, async (view) => {
        const found = contractIn(view, name);
        return { contract: found, status: statusIn(view, found.id) };
      });
      const controller = await standingHere(context, contract);
      const { blocked = [], silent = [] } = controller ?? {};
      const isControlledHere = controller !== undefined;
      const result = {
        ...{ schema: 'grid.contract.status.1', ...status },
        ...{ isControlledHere, blocked, silent },
      };
      printResult(context, options, result, () =>
        [describe(status, context.terminal.style), ...describeWaits(controller, context)].join(
          '\n',
        ),
      );
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

/** What the controller on this machine waits for, and whom it does not hear. */
function describeWaits(
  controller: ContractStanding | undefined,
  { terminal: { style } }: CommandContext,
): readonly string[] {
  if (controller === undefined) return [];
  const { blocked, silent } = controller;
  const waits = blocked.map(({ code, message, hint }) => [`  ${code}`, message, hint]);
  const nodes = silent.map(({ node, outlook }) => [`  ${node}`, outlook]);
  return [
    ...(waits.length === 0 ? [] : ['', style.bad('Blocked'), formatTable(waits)]),
    ...(nodes.length === 0 ? [] : ['', style.strong('Not heard of'), formatTable(nodes)]),
  ];
}
