import { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { nodeExecCommand, nodeLogsCommand } from './access.ts';
import { nodeAgentCommand } from './agent.ts';
import { nodeDoctorCommand, nodeDrainCommand, nodeGcCommand } from './care.ts';
import { nodeAdoptCommand, nodeFarmCommand, nodeInviteCommand, nodeListCommand } from './farm.ts';
import { nodeJoinCommand } from './join.ts';
import { nodeLeaveCommand } from './leave.ts';
import { nodeStartCommand } from './start.ts';
import {
  nodeEventsCommand,
  nodeStatsCommand,
  nodeStatusCommand,
  nodeWorkloadsCommand,
} from './workloads.ts';

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
    .addCommand(nodeEventsCommand(context))
    .addCommand(nodeLogsCommand(context))
    .addCommand(nodeExecCommand(context))
    .addCommand(nodeStatsCommand(context))
    .addCommand(nodeDrainCommand(context))
    .addCommand(nodeGcCommand(context))
    .addCommand(nodeLeaveCommand(context))
    .addCommand(nodeDoctorCommand(context));
}
