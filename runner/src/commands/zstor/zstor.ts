import { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import {
  zstorDrainCommand,
  zstorRepairCommand,
  zstorScrubCommand,
  zstorStatusCommand,
} from './care.ts';
import { zstorCheckCommand, zstorLsCommand, zstorRmCommand, zstorTidyCommand } from './files.ts';
import { zstorGetCommand } from './get.ts';
import { zstorPlanCommand } from './plan.ts';
import { zstorPutCommand } from './put.ts';
import { zstorRebuildCommand } from './rebuild.ts';

export function zstorCommand(context: CommandContext): Command {
  return new Command('zstor')
    .description('Zero-Stor, which keeps files on many Zero-DBs, any m of which may be lost.')
    .addCommand(zstorPlanCommand(context))
    .addCommand(zstorPutCommand(context))
    .addCommand(zstorGetCommand(context))
    .addCommand(zstorLsCommand(context))
    .addCommand(zstorRmCommand(context))
    .addCommand(zstorCheckCommand(context))
    .addCommand(zstorTidyCommand(context))
    .addCommand(zstorStatusCommand(context))
    .addCommand(zstorRepairCommand(context))
    .addCommand(zstorScrubCommand(context))
    .addCommand(zstorDrainCommand(context))
    .addCommand(zstorRebuildCommand(context));
}
