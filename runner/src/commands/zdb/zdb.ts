import { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { zdbExportCommand } from './export.ts';
import { zdbImportCommand } from './import.ts';
import { zdbInfoCommand } from './info.ts';
import { zdbCompactCommand, zdbEraseCommand, zdbScrubCommand } from './maintenance.ts';
import { zdbNamespaceCommand } from './namespace.ts';
import { zdbPromoteCommand } from './promote.ts';
import { zdbRepairCommand } from './repair.ts';
import { zdbServeCommand } from './serve.ts';
import { zdbVerifyCommand } from './verify.ts';

export function zdbCommand(context: CommandContext): Command {
  return new Command('zdb')
    .description('Zero-DB, the append-only store that speaks the Redis protocol.')
    .addCommand(zdbServeCommand(context))
    .addCommand(zdbInfoCommand(context))
    .addCommand(zdbNamespaceCommand(context))
    .addCommand(zdbCompactCommand(context))
    .addCommand(zdbScrubCommand(context))
    .addCommand(zdbEraseCommand(context))
    .addCommand(zdbPromoteCommand(context))
    .addCommand(zdbVerifyCommand(context))
    .addCommand(zdbRepairCommand(context))
    .addCommand(zdbExportCommand(context))
    .addCommand(zdbImportCommand(context));
}
