import { shutdownSignal } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import { withProgress } from '../../terminal.ts';
import { withByteProgress } from '../zdb/byte-progress.ts';

type FolderOptions = JsonOption & { readonly data: string };

export function bcdbRestoreCommand(context: CommandContext): Command {
  return resultCommand('restore', 'Make the folder of a database from a backup.')
    .argument('<file>', 'file of `backup`')
    .requiredOption('--data <folder>', 'a new or empty folder')
    .addHelpText(
      'after',
      '\nWhat was written after the backup is lost. If the old database is still at work, or comes' +
        '\nback, the log forks: both then sign different records, and everybody can prove it.',
    )
    .action(async (file: string, options: FolderOptions) => {
      const { restoreBackup } = await import('@commongrid/bcdb');
      const { data } = options;
      const report = await withByteProgress(context.terminal, 'restoring', (onProgress) =>
        restoreBackup(file, data, { onProgress, signal: shutdownSignal() }),
      );
      const { log, verified } = report;
      const result = { schema: 'grid.bcdb.restore.1', file, data, log, records: verified };
      printResult(context, options, result, () => {
        return [
          `${verified} records of log ${log} are in ${data}, each verified`,
          'Never run it beside the database that it was copied from: that forks the log.',
        ].join('\n');
      });
    });
}

export function bcdbRebuildCommand(context: CommandContext): Command {
  return resultCommand('rebuild', 'Make anew what follows from the log: tree, state, projection.')
    .requiredOption('--data <folder>', 'of a database that is not running')
    .action(async (options: FolderOptions) => {
      const { rebuildFolder } = await import('@commongrid/bcdb');
      const work = rebuildFolder(options.data);
      const report = await withProgress(context.terminal, 'rebuilding', work);
      const result = { schema: 'grid.bcdb.rebuild.1', data: options.data, ...report };
      printResult(context, options, result, ({ records, seconds, recordsPerSecond }) => {
        return `${records} records in ${seconds} s, ${recordsPerSecond} a second`;
      });
    });
}
