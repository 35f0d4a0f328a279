import { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { auditVerifyCommand } from './verify.ts';

export function auditCommand(context: CommandContext): Command {
  return new Command('audit')
    .description('Audits of contracts: all that shows what became of one, in a file.')
    .addCommand(auditVerifyCommand(context));
}
