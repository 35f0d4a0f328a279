import { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { bcdbBotCommand } from './bot.ts';
import { bcdbRebuildCommand, bcdbRestoreCommand } from './folder.ts';
import { bcdbHandoverCommand } from './handover.ts';
import { bcdbImportCommand } from './import.ts';
import { bcdbKeyCommand } from './key.ts';
import { bcdbNamespaceCommand } from './namespace.ts';
import { bcdbDelCommand, bcdbGetCommand, bcdbHistoryCommand, bcdbPutCommand } from './objects.ts';
import { bcdbPolicyCommand } from './policy.ts';
import { bcdbProposalsCommand, bcdbProposeCommand, bcdbVoteCommand } from './proposals.ts';
import { bcdbCheckpointCommand, bcdbProveCommand } from './prove.ts';
import { bcdbFindCommand, bcdbSearchCommand, bcdbSqlCommand } from './query.ts';
import { bcdbReplicaCommand } from './replica.ts';
import { bcdbSchemaCommand } from './schema.ts';
import { bcdbServeCommand } from './serve.ts';
import { bcdbBackupCommand, bcdbExportCommand } from './transfer.ts';
import { bcdbVerifyCommand } from './verify.ts';

export function bcdbCommand(context: CommandContext): Command {
  return new Command('bcdb')
    .description('BCDB, the database whose every change is signed and can be proven.')
    .addCommand(bcdbServeCommand(context))
    .addCommand(bcdbReplicaCommand(context))
    .addCommand(bcdbNamespaceCommand(context))
    .addCommand(bcdbSchemaCommand(context))
    .addCommand(bcdbPutCommand(context))
    .addCommand(bcdbGetCommand(context))
    .addCommand(bcdbDelCommand(context))
    .addCommand(bcdbFindCommand(context))
    .addCommand(bcdbSearchCommand(context))
    .addCommand(bcdbSqlCommand(context))
    .addCommand(bcdbHistoryCommand(context))
    .addCommand(bcdbPolicyCommand(context))
    .addCommand(bcdbProposeCommand(context))
    .addCommand(bcdbVoteCommand(context, 'approve'))
    .addCommand(bcdbVoteCommand(context, 'reject'))
    .addCommand(bcdbProposalsCommand(context))
    .addCommand(bcdbProveCommand(context))
    .addCommand(bcdbCheckpointCommand(context))
    .addCommand(bcdbVerifyCommand(context))
    .addCommand(bcdbExportCommand(context))
    .addCommand(bcdbImportCommand(context))
    .addCommand(bcdbBackupCommand(context))
    .addCommand(bcdbRestoreCommand(context))
    .addCommand(bcdbHandoverCommand(context))
    .addCommand(bcdbRebuildCommand(context))
    .addCommand(bcdbKeyCommand(context))
    .addCommand(bcdbBotCommand(context));
}
