import { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { contractAuditCommand } from './audit.ts';
import { contractBuildCommand, contractHashCommand } from './build.ts';
import { contractDiffCommand } from './diff.ts';
import { contractPlanCommand } from './plan.ts';
import { contractProposeCommand } from './propose.ts';
import { contractListCommand, contractShowCommand } from './show.ts';
import {
  contractHaltCommand,
  contractRejectCommand,
  contractRemoveCommand,
  contractResumeCommand,
  contractSignCommand,
} from './sign.ts';
import { contractStatusCommand } from './status.ts';
import { contractDiscardCommand, contractUnpaidCommand } from './unpaid.ts';

export function contractCommand(context: CommandContext): Command {
  return new Command('contract')
    .description('Contracts: what is to run, who agrees, where it would run and what it costs.')
    .addCommand(contractBuildCommand(context))
    .addCommand(contractHashCommand(context))
    .addCommand(contractDiffCommand(context))
    .addCommand(contractPlanCommand(context))
    .addCommand(contractProposeCommand(context))
    .addCommand(contractSignCommand(context))
    .addCommand(contractRejectCommand(context))
    .addCommand(contractHaltCommand(context))
    .addCommand(contractResumeCommand(context))
    .addCommand(contractRemoveCommand(context))
    .addCommand(contractListCommand(context))
    .addCommand(contractShowCommand(context))
    .addCommand(contractStatusCommand(context))
    .addCommand(contractAuditCommand(context))
    .addCommand(contractUnpaidCommand(context))
    .addCommand(contractDiscardCommand(context));
}
