import { resolve } from 'node:path';

import { askControl, isGridError } from '@commongrid/base';
import type { ControlArguments } from '@commongrid/base';
import type { Command } from 'commander';

import { resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import { GridHome } from '../../home.ts';
import { NodeFolder } from '../../node/node-folder.ts';

/** Which node of this machine a command is about. */
export type NodeOptions = JsonOption & { readonly data?: string };

/** A command on a node of this machine. */
export function nodeSubcommand(name: string, description: string): Command {
  return resultCommand(name, description).option(
    '--data <folder>',
    'of the node; default: node in GRID_HOME',
  );
}

export function nodeFolderOf({ environment }: CommandContext, { data }: NodeOptions): NodeFolder {
  return new NodeFolder(resolve(data ?? new GridHome(environment.home).node));
}

/** Gives an order to the node. @throws NODE_ABSENT, and what the node refuses with */
export async function askNode<T>(
  context: CommandContext,
  options: NodeOptions,
  action: string,
  args: ControlArguments = {},
): Promise<T> {
  const { nodeAbsent, nodeControlPath } = await import('@commongrid/node');
  const path = nodeControlPath(nodeFolderOf(context, options).path);
  try {
    return (await askControl(path, action, args)) as T;
  } catch (error) {
    throw isGridError(error, 'BASE_CONTROL_ABSENT') ? nodeAbsent(path, error) : error;
  }
}
