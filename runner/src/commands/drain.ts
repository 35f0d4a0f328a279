import { GridError } from '@commongrid/base';
import type { NodeErrorCode, NodeStatus, Service } from '@commongrid/node';
import type { Command } from 'commander';

import { printResult } from '../command-context.ts';
import type { CommandContext } from '../command-context.ts';
import { askNode, nodeFolderOf, nodeSubcommand } from './node/node-folder-option.ts';
import type { NodeOptions } from './node/node-folder-option.ts';

const nodeArgument = 'its name or id; default: the node of that folder';

export function drainCommand(context: CommandContext): Command {
  return serviceCommand(context, {
    ...{ name: 'drain', service: 'draining' },
    description: 'Take a node out of service: nothing new comes, and what runs leaves in order.',
    says: (node) => `${node} lets nothing new in, and what runs there leaves`,
  });
}

export function cordonCommand(context: CommandContext): Command {
  return serviceCommand(context, {
    ...{ name: 'cordon', service: 'cordoned' },
    description: 'Let nothing new come to a node; what runs there stays.',
    says: (node) => `${node} lets nothing new in, and what runs there stays`,
  });
}

export function uncordonCommand(context: CommandContext): Command {
  return serviceCommand(context, {
    ...{ name: 'uncordon', service: 'open' },
    description: 'Let workloads come to a node again that was drained or cordoned.',
    says: (node) => `${node} takes workloads again`,
  });
}

interface ServiceVerb {
  readonly name: string;
  readonly description: string;
  readonly service: Service;
  readonly says: (node: string) => string;
}

function serviceCommand(context: CommandContext, verb: ServiceVerb): Command {
  return nodeSubcommand(verb.name, verb.description)
    .argument('[node]', nodeArgument)
    .action(async (name: string | undefined, options: NodeOptions) => {
      await requireHere(context, options, name);
      const node = await askNode<Served>(context, options, 'serve', { service: verb.service });
      const result = { schema: 'grid.node.service.1', ...node };
      printResult(context, options, result, () => verb.says(node.name));
    });
}

interface Served {
  readonly id: string;
  readonly name: string;
  readonly service: Service;
}

/** @throws NODE_REMOTE, NODE_ABSENT */
async function requireHere(
  context: CommandContext,
  options: NodeOptions,
  wanted: string | undefined,
): Promise<void> {
  if (wanted === undefined) return;
  const { id, name } = await askNode<NodeStatus>(context, options, 'status');
  if (wanted === name || wanted === id) return;
  const { path } = nodeFolderOf(context, options);
  const message = `the node of ${path} is ${name}, not ${wanted}`;
  throw new GridError<NodeErrorCode>('NODE_REMOTE', message, {
    hint: 'nodes take such orders on their own machine only: run it there, with --data FOLDER for the folder of that node; which there are: grid node list',
    details: { wanted, here: id },
  });
}
