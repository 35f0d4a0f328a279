import assert from 'node:assert/strict';

import { FollowedGrid } from '@commongrid/bcdb/client';
import { contractStatus } from '@commongrid/contract';
import type { ContractStatus } from '@commongrid/contract';
import { contractIdOf } from '@commongrid/model';
import type { SignatureLine } from '@commongrid/model';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable } from '../../terminal.ts';
import type { Style } from '../../terminal.ts';
import { serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { contractCalled } from '../../node/owned-grid.ts';
import { withOwnFeed } from '../own-feed.ts';

export function contractStatusCommand(context: CommandContext): Command {
  return serverCommand('status', 'Say how far a contract is: who signed, what runs, what waits.')
    .argument('<contract>', 'its name, or its id')
    .action(async (name: string, options: ServerOptions) => {
      const status = await withOwnFeed(context, options, async (feed) => {
        await using grid = await FollowedGrid.open({ ...feed, reader: feed.bot });
        const { fold, at } = await grid.now();
        const headers = [...fold.objects('grid.contract.1')];
        const all = headers.map((header) => ({ id: contractIdOf(header), header }));
        const { id } = contractCalled(all, name);
        const known = contractStatus(fold, id, { seq: Number.MAX_SAFE_INTEGER, at });
        assert(known !== undefined, 'a contract whose header is accepted has a state');
        return known;
      });
      const result = { schema: 'grid.contract.status.1', ...status };
      printResult(context, options, result, () => describe(status, context.terminal.style));
    });
}

function describe(status: ContractStatus, style: Style): string {
  const { name, id, phase, isHalted, signatures, workloads, readyCount } = status;
  const halted = isHalted ? ', halted: nothing new is placed' : '';
  const ready = workloads.length === 0 ? '' : `, ${readyCount} of ${workloads.length} ready`;
  return [
    style.strong(`${name} is ${phase}${ready}${halted}`),
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
    workloads.map(({ role, replica, node, event }) => [
      `  ${role}/${replica}`,
      event?.phase ?? 'its node said nothing yet',
      node,
      [event?.code, event?.message, event?.hint].filter((text) => text !== undefined).join(': '),
    ]),
  );
}
