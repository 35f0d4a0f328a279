import { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { nodeAgentCommand } from './agent.ts';
import { nodeDoctorCommand, nodeGcCommand } from './care.ts';
import { nodeAdoptCommand, nodeFarmCommand, nodeInviteCommand, nodeListCommand } from './farm.ts';
import { nodeJoinCommand } from './join.ts';
import { nodeLeaveCommand } from './leave.ts';
import { nodeStartCommand } from './start.ts';
import { nodeStatsCommand, nodeStatusCommand, nodeWorkloadsCommand } from './workloads.ts';

export function nodeCommand(context: CommandContext): Command {
  return new Command('node')
    .description('Nodes: machines that run workloads of the grid.')
    .addCommand(nodeFarmCommand(context))
    .addCommand(nodeInviteCommand(context))
    .addCommand(nodeJoinCommand(context))
    .addCommand(nodeStartCommand(context))
    .addCommand(nodeAgentCommand(context))
    .addCommand(nodeAdoptCommand(context))
    .addCommand(nodeListCommand(context))
    .addCommand(nodeStatusCommand(context))
    .addCommand(nodeWorkloadsCommand(context))
    .addCommand(nodeStatsCommand(context))
    .addCommand(nodeGcCommand(context))
    .addCommand(nodeLeaveCommand(context))
    .addCommand(nodeDoctorCommand(context));
}
