import { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { flistCatCommand, flistDiffCommand } from './contents.ts';
import { flistCreateCommand } from './create.ts';
import { flistExportCommand, flistImportCommand, flistPushCommand } from './import.ts';
import { flistInspectCommand, flistLsCommand } from './inspect.ts';
import {
  flistMountCommand,
  flistPsCommand,
  flistRemountCommand,
  flistUmountCommand,
} from './mounts.ts';
import {
  flistGcCommand,
  flistListCommand,
  flistMergeCommand,
  flistRmCommand,
} from './repository.ts';
import { flistScrubCommand } from './scrub.ts';
import { flistSignCommand, flistVerifyCommand } from './signatures.ts';
import { flistSourcesCommand } from './sources.ts';
import { flistTraceCommand } from './trace.ts';

export function flistCommand(context: CommandContext): Command {
  return new Command('flist')
    .description('Images without their data: made, compared, signed and mounted.')
    .addCommand(flistCreateCommand(context))
    .addCommand(flistImportCommand(context))
    .addCommand(flistExportCommand(context))
    .addCommand(flistPushCommand(context))
    .addCommand(flistListCommand(context))
    .addCommand(flistInspectCommand(context))
    .addCommand(flistLsCommand(context))
    .addCommand(flistCatCommand(context))
    .addCommand(flistDiffCommand(context))
    .addCommand(flistMergeCommand(context))
    .addCommand(flistSignCommand(context))
    .addCommand(flistVerifyCommand(context))
    .addCommand(flistMountCommand(context))
    .addCommand(flistUmountCommand(context))
    .addCommand(flistPsCommand(context))
    .addCommand(flistRemountCommand(context))
    .addCommand(flistTraceCommand(context))
    .addCommand(flistSourcesCommand(context))
    .addCommand(flistScrubCommand(context))
    .addCommand(flistRmCommand(context))
    .addCommand(flistGcCommand(context));
}
