import { readFile } from 'node:fs/promises';

import { errorCode, GridError } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { readJoinToken } from '../../node/join-token.ts';
import type { NodeConfig, NodeFolder } from '../../node/node-folder.ts';
import { parseGridName } from './node-arguments.ts';
import { nodeFolderOf, nodeSubcommand } from './node-folder-option.ts';
import type { NodeOptions } from './node-folder-option.ts';

/** How a machine becomes a node. */
export type JoinOptions = NodeOptions & { readonly tokenFile?: string; readonly name?: string };

export const nameText = 'what the node is called in its farm; default: the name of the machine';

export function nodeJoinCommand(context: CommandContext): Command {
  return nodeSubcommand('join', 'Make this machine a node of a farm, by a token of its owner.')
    .argument('[token]', 'gridjoin:...; whoever may list processes sees it here')
    .option('--token-file <file>', 'file with the token')
    .option('--name <name>', nameText, parseGridName)
    .action(async (token: string | undefined, options: JoinOptions) => {
      const folder = nodeFolderOf(context, options);
      const config = await join(folder, token, options);
      const result = nodeReport('grid.node.join.1', folder, config);
      printResult(context, options, result, ({ node, name }) =>
        [
          `this machine is ${name}, ${node}`,
          'next, as root here: ./grid node start',
          'and where the owner is: ./grid node adopt --wait',
        ].join('\n'),
      );
    });
}

/** What a node was told when it joined; it joins now where a token is given and it has not yet. */
export async function joinedConfig(
  folder: NodeFolder,
  options: JoinOptions & { readonly join?: string },
): Promise<NodeConfig> {
  const { join: token, tokenFile } = options;
  // A node that was started by a token is started again by the same command, when it has expired.
  const isAsked = token !== undefined || tokenFile !== undefined;
  return isAsked && !folder.hasJoined ? join(folder, token, options) : folder.read();
}

export function nodeReport(schema: string, { path }: NodeFolder, config: NodeConfig) {
  const { node, name, farm, trust, urls } = config;
  return { schema, node, name, farm, log: trust.log, urls, folder: path };
}

async function join(
  folder: NodeFolder,
  text: string | undefined,
  { tokenFile, name }: JoinOptions,
): Promise<NodeConfig> {
  if ((text === undefined) === (tokenFile === undefined)) {
    throw new GridError<GridErrorCode>('GRID_USAGE', 'give a token, or --token-file, one of them');
  }
  const token = readJoinToken(text ?? (await textOf(tokenFile ?? '')), Date.now());
  return folder.join(token, name);
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const message = `cannot read ${file}: ${errorCode(error) ?? String(error)}`;
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', message, { cause: error });
  }
}
