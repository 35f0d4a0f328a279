import { shutdownSignal } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import { withProgress } from '../../terminal.ts';
import { withByteProgress } from '../../byte-progress.ts';
import { postgresFlag, postgresHelp, postgresOf } from './postgres-option.ts';
import type { PostgresOption } from './postgres-option.ts';

type FolderOptions = JsonOption & { readonly data: string };
type RestoreOptions = FolderOptions & { readonly nothingLost?: true };

export function bcdbRestoreCommand(context: CommandContext): Command {
  return resultCommand('restore', 'Make the folder of a database from a backup.')
    .argument('<file>', 'file of `backup`')
    .requiredOption('--data <folder>', 'a new or empty folder')
    .option('--nothing-lost', 'nothing was written after the backup: it needs no handover')
    .addHelpText(
      'after',
      '\nWhat was written after the backup is lost, and others may have seen it. So the folder serves' +
        '\nnobody until its log was handed over to a new key: grid bcdb handover. Without that, and' +
        '\nwherever the old database comes back, the log forks, and everybody can prove it.',
    )
    .action(async (file: string, options: RestoreOptions) => {
      const { restoreBackup } = await import('@commongrid/bcdb');
      const { data, nothingLost = false } = options;
      const report = await withByteProgress(context.terminal, 'restoring', (onProgress) =>
        restoreBackup(file, data, { onProgress, signal: shutdownSignal(), nothingLost }),
      );
      const { log, verified } = report;
      const result = { schema: 'grid.bcdb.restore.1', file, data, log, records: verified };
      printResult(context, options, result, () => {
        return [
          `${verified} records of log ${log} are in ${data}, each verified`,
          nothingLost
            ? 'Never run it beside the database that it was copied from: that forks the log.'
            : `next: ./grid bcdb handover --data ${data}`,
        ].join('\n');
      });
    });
}

export function bcdbRebuildCommand(context: CommandContext): Command {
  return resultCommand('rebuild', 'Make anew what follows from the log: tree, state, projection.')
    .requiredOption('--data <folder>', 'of a database that is not running')
    .option(postgresFlag, postgresHelp)
    .action(async (options: FolderOptions & PostgresOption) => {
      const { rebuildFolder } = await import('@commongrid/bcdb');
      const work = rebuildFolder(options.data, await postgresOf(options));
      const report = await withProgress(context.terminal, 'rebuilding', work);
      const result = { schema: 'grid.bcdb.rebuild.1', data: options.data, ...report };
      printResult(context, options, result, ({ records, seconds, recordsPerSecond }) => {
        return `${records} records in ${seconds} s, ${recordsPerSecond} a second`;
      });
    });
}
