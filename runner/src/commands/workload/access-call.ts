import type { SigningKey } from '@commongrid/crypto';
import type { AccessCallOptions, AccessVerb, NodeStatus, WorkloadSummary } from '@commongrid/node';
import type { Command } from 'commander';

import { botHere } from '../../bot-service/bots-here.ts';
import type { CommandContext } from '../../command-context.ts';
import { GridHome } from '../../home.ts';
import { readKeyFile } from '../../key-file.ts';
import { askNode, nodeFolderOf, nodeSubcommand } from '../node/node-folder-option.ts';
import type { NodeOptions } from '../node/node-folder-option.ts';

export type AccessOptions = NodeOptions & { readonly keyFile?: string };

/** A token is used at once, ms. */
const tokenMs = 60_000;

/** A command by which an owner comes to what runs. */
export function accessCommand(name: string, description: string): Command {
  return nodeSubcommand(name, description).option(
    '--key-file <file>',
    'of a device of the owner; default: that of his bot here, or of the owner of the grid',
  );
}

/** Signs for one call about a workload. */
export async function signedCall(
  context: CommandContext,
  options: AccessOptions,
  { id: workload, revision, owner }: WorkloadSummary,
  verb: AccessVerb,
): Promise<AccessCallOptions> {
  const { nodeAccessPath, signAccess } = await import('@commongrid/node');
  const key = await keyOf(context, options, owner);
  const { log, id: node } = await askNode<NodeStatus>(context, options, 'status');
  const claim = { log, node: node as never, workload, revision, verb };
  const token = signAccess(key, { ...claim, expMs: Date.now() + tokenMs });
  return { path: nodeAccessPath(nodeFolderOf(context, options).path), token };
}

async function keyOf(
  { environment: { home } }: CommandContext,
  { keyFile }: AccessOptions,
  owner: string,
): Promise<SigningKey> {
  if (keyFile !== undefined) return readKeyFile(keyFile);
  const bot = await botHere(home, owner);
  return bot === undefined ? readKeyFile(new GridHome(home).ownerKeyFile) : bot.device();
}
