import { join } from 'node:path';

import { createLogger, shutdownSignal } from '@commongrid/base';
import type { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { keepAgent } from '../../node/agent-keeper.ts';
import { requireRoot } from '../flist/mounts.ts';
import { withAgentOptions } from './agent-options.ts';
import { nodeFolderOf, nodeSubcommand } from './node-folder-option.ts';
import type { NodeOptions } from './node-folder-option.ts';

/** The command that is installed. */
const main = join(import.meta.dirname, '..', '..', 'main.ts');

export function nodeStartCommand(context: CommandContext): Command {
  const command = nodeSubcommand(
    'start',
    'Run the node of this machine until SIGTERM. Containers go on then.',
  );
  // What a later release has options for, this keeper need not know.
  return withAgentOptions(command)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (options: NodeOptions) => {
      requireRoot(context, 'run a node');
      const words = process.argv.slice(2);
      context.exitStatus = await keepAgent({
        folder: nodeFolderOf(context, options).path,
        installed: [process.execPath, ...process.execArgv, main],
        words: words.slice(words.indexOf('start') + 1),
        signal: shutdownSignal(),
        logger: createLogger('node-keeper', { level: context.environment.logLevel }),
      });
    });
}
