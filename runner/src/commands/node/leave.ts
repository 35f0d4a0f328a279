import { isGridError, GridError } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { requireRoot } from '../flist/mounts.ts';
import { parsePrefix } from './node-arguments.ts';
import { nodeFolderOf, nodeSubcommand } from './node-folder-option.ts';
import type { NodeOptions } from './node-folder-option.ts';

type LeaveOptions = NodeOptions & { readonly prefix: string };

export function nodeLeaveCommand(context: CommandContext): Command {
  return nodeSubcommand(
    'leave',
    'Take a node that does not run off its machine: containers end, nothing stays mounted. Data stays.',
  )
    .option('--prefix <letters>', 'as it was started with', parsePrefix, 'cg')
    .action(async (options: LeaveOptions) => {
      requireRoot(context, 'take a node off');
      const folder = nodeFolderOf(context, options);
      await folder.read();
      const { takeOff } = await import('../../node/open-node.ts');
      try {
        await takeOff({ folder: folder.path, prefix: options.prefix, zdbPort: undefined });
      } catch (cause) {
        if (!isGridError(cause, 'BASE_FOLDER_LOCKED')) throw cause;
        throw new GridError<GridErrorCode>('GRID_NODE_IN_USE', `a node runs in ${folder.path}`, {
          hint: 'end `grid node start` first, then grid node leave',
          details: { folder: folder.path },
          cause,
        });
      }
      const result = { schema: 'grid.node.leave.1', folder: folder.path };
      printResult(context, options, result, () => `nothing of ${folder.path} is left but its data`);
    });
}
