import { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { s3BucketsCommand, s3QuotaCommand } from './buckets.ts';
import { s3FsckCommand, s3StatCommand } from './fsck.ts';
import { s3KeysCommand } from './keys.ts';
import { s3AnchorCommand, s3ProveCommand, s3VerifyCommand } from './prove.ts';
import { s3RebuildCommand } from './rebuild.ts';
import { s3ServeCommand } from './serve.ts';

export function s3Command(context: CommandContext): Command {
  return new Command('s3')
    .description('S3 in front of Zero-Stor: buckets and objects on many Zero-DBs.')
    .addCommand(s3ServeCommand(context))
    .addCommand(s3KeysCommand(context))
    .addCommand(s3BucketsCommand(context))
    .addCommand(s3QuotaCommand(context))
    .addCommand(s3StatCommand(context))
    .addCommand(s3FsckCommand(context))
    .addCommand(s3RebuildCommand(context))
    .addCommand(s3AnchorCommand(context))
    .addCommand(s3ProveCommand(context))
    .addCommand(s3VerifyCommand(context));
}
