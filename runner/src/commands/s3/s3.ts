import { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { s3ServeCommand } from './serve.ts';

export function s3Command(context: CommandContext): Command {
  return new Command('s3')
    .description('S3 in front of Zero-Stor: buckets and objects on many Zero-DBs.')
    .addCommand(s3ServeCommand(context));
}
