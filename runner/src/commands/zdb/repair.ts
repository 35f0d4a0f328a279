import { isGridError, shutdownSignal } from '@commongrid/base';
import type { Loss, RepairReport, ZdbErrorCode } from '@commongrid/zdb';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { withByteProgress } from '../../byte-progress.ts';
import { folderCommand } from './folder.ts';
import type { FolderOptions } from './folder.ts';

type RepairOptions = FolderOptions & { readonly acceptLoss?: true };

export function zdbRepairCommand(context: CommandContext): Command {
  return folderCommand('repair', 'Make a damaged folder usable; nothing is lost unasked.')
    .option('--accept-loss', 'go on without the records that cannot be brought back')
    .action(async (options: RepairOptions) => {
      const report = await repair(context, options);
      const result = { schema: 'grid.zdb.repair.1', ...report };
      printResult(context, options, result, () => {
        const lines = [...report.actions, ...report.losses.map(describeLoss)];
        return lines.length === 0 ? 'nothing to repair' : lines.join('\n');
      });
    });
}

/** An error says what would be lost; people read it line by line. */
async function repair({ terminal }: CommandContext, options: RepairOptions): Promise<RepairReport> {
  const { repairFolder } = await import('@commongrid/zdb');
  try {
    return await withByteProgress(terminal, 'reading', (onProgress) =>
      repairFolder(options.data, {
        onProgress,
        signal: shutdownSignal(),
        acceptLoss: options.acceptLoss === true,
      }),
    );
  } catch (error) {
    if (isGridError<ZdbErrorCode>(error) && Array.isArray(error.details['losses'])) {
      for (const loss of error.details['losses'] as Loss[]) terminal.note(describeLoss(loss));
    }
    throw error;
  }
}

function describeLoss(loss: Loss): string {
  const { what, fromSequence, toSequence, records, namespace, key, file, offset, bytes } = loss;
  const whose = [
    namespace === undefined ? '' : ` of ${namespace}`,
    key === undefined ? '' : `, key ${key}`,
  ].join('');
  const where = `(${file}, offset ${offset}, ${bytes} bytes)`;
  if (what !== 'records') return `lost: ${what} ${fromSequence}${whose} ${where}`;
  const range =
    toSequence === undefined ? `from ${fromSequence} on` : `${fromSequence}-${toSequence}`;
  const count = records === undefined ? 'records' : `${records} records among`;
  return `lost: ${count} ${range}${whose} ${where}`;
}
