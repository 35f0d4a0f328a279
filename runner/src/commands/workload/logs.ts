import { shutdownSignal } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { workloadArgument } from '../../node/find-workload.ts';
import { parseLines } from '../node/node-arguments.ts';
import { accessCommand, signedCall } from './access-call.ts';
import type { AccessOptions } from './access-call.ts';
import { containerHere } from './find-here.ts';

type LogsOptions = AccessOptions & { readonly follow?: true; readonly tail: number };

/** Lines of a log that are shown unless somebody asks for more. */
const linesShown = 100;

export function logsCommand(context: CommandContext): Command {
  return accessCommand('logs', 'Show what a container of yours printed.')
    .argument('<workload>', workloadArgument)
    .option('-f, --follow', 'go on with what it prints from now on')
    .option('--tail <n>', 'so many of the last lines', parseLines, linesShown)
    .action(async (name: string, options: LogsOptions) => {
      const { callLogs } = await import('@commongrid/node');
      const container = await containerHere(context, options, name);
      const call = await signedCall(context, options, container, 'logs');
      const follow = options.follow === true;
      const signal = shutdownSignal();
      try {
        for await (const line of callLogs({ ...call, signal, follow, tail: options.tail })) {
          const result = { schema: 'grid.log.1', workload: container.id, ...line };
          printResult(context, options, result, () => line.text);
        }
      } catch (error) {
        // Ended from here.
        if (!signal.aborted) throw error;
      }
    });
}
