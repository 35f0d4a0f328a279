import { delay, GridError } from '@commongrid/base';
import type { WorkloadSummary } from '@commongrid/node';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { workloadArgument, workloadName } from '../../node/find-workload.ts';
import { counted, withProgress } from '../../terminal.ts';
import { parseCount } from '../bcdb/options.ts';
import { askNode } from '../node/node-folder-option.ts';
import { accessCommand, signedCall } from './access-call.ts';
import type { AccessOptions } from './access-call.ts';
import { placesElsewhere } from './find-elsewhere.ts';
import { containersOf, notContainer, remote, workloadsHere } from './find-here.ts';

type RestartOptions = AccessOptions & { readonly timeout: number };

/** How long each may take to be healthy again, s, unless somebody says otherwise. */
const timeoutSeconds = 300;
/** From one look at what was restarted to the next, ms. */
const lookEveryMs = 200;

export function restartCommand(context: CommandContext): Command {
  return accessCommand(
    'restart',
    'End containers of yours and begin them again: one, and when it is healthy the next.',
  )
    .argument('<workload>', workloadArgument)
    .option(
      '--timeout <seconds>',
      'wait no longer for each to be healthy',
      parseCount,
      timeoutSeconds,
    )
    .action(async (name: string, options: RestartOptions) => {
      const found = await workloadsHere(context, options, name);
      const containers = containersOf(found);
      if (containers.length === 0) throw notContainer(found);
      for (const container of containers) {
        const what = `restarting ${workloadName(container)}`;
        await withProgress(context.terminal, what, restart(context, options, container));
      }
      const here = new Set<string>(found.map(({ id }) => id));
      const elsewhere = (await placesElsewhere(context, name)).filter(({ id }) => !here.has(id));
      const result = {
        schema: 'grid.restart.1',
        workloads: containers.map((one) => ({ id: one.id, name: workloadName(one) })),
      };
      // What is left undone is no success, and what was done is told.
      if (elsewhere.length > 0) {
        context.terminal.note(
          `${counted(containers.length, 'container')} of ${name} restarted here`,
        );
        throw remote(elsewhere.map(workloadName).join(', '), elsewhere);
      }
      printResult(context, options, result, ({ workloads }) =>
        workloads.map((one) => `${one.name} is healthy again`).join('\n'),
      );
    });
}

/** Resolves once it is healthy again. @throws GRID_RESTART_TIMEOUT, and what the node refuses with */
async function restart(
  context: CommandContext,
  options: RestartOptions,
  container: WorkloadSummary,
): Promise<void> {
  const { callRestart } = await import('@commongrid/node');
  const call = await signedCall(context, options, container, 'restart');
  const signal = AbortSignal.timeout(options.timeout * 1000);
  try {
    await callRestart({ ...call, signal });
  } catch (error) {
    if (!signal.aborted) throw error;
    throw late(container, options, 'it does not begin');
  }
  for (;;) {
    const all = await askNode<readonly WorkloadSummary[]>(context, options, 'workloads');
    const now = all.find(({ id }) => id === container.id);
    if (now?.phase === 'healthy') return;
    const why = [now?.phase ?? 'it is gone', now?.code ?? ''].join(' ').trim();
    if (signal.aborted) throw late(container, options, why);
    await delay(lookEveryMs, { signal }).catch(() => {});
  }
}

function late(
  container: WorkloadSummary,
  { timeout }: RestartOptions,
  why: string,
): GridError<GridErrorCode> {
  const name = workloadName(container);
  const message = `${name} is not healthy ${timeout} s after its restart: ${why}`;
  return new GridError('GRID_RESTART_TIMEOUT', message, {
    hint: `see what it prints: grid logs ${name}; what its node says of it: grid describe ${name.split('/')[0]}`,
    details: { workload: container.id },
  });
}
