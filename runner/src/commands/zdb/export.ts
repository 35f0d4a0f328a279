import { formatBytes, shutdownSignal } from '@commongrid/base';
import type { OriginalFolders } from '@commongrid/zdb';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { withByteProgress } from '../../byte-progress.ts';
import { outsideOf, transferCommand } from './folder.ts';
import type { OutsideOptions } from './folder.ts';

type ExportOptions = OutsideOptions & {
  readonly namespace?: string;
  readonly latest?: true;
};

export function zdbExportCommand(context: CommandContext): Command {
  return transferCommand(
    'export',
    'Write a folder to a dump that any later release reads, or as an original 0-db.',
  )
    .argument('[file]', 'the dump to make; it holds the passwords of namespaces')
    .option('--namespace <name>', 'only this namespace')
    .option('--latest', 'without former versions and deletions (dumps only)')
    .action(async (file: string | undefined, options: ExportOptions) => {
      const outside = outsideOf('export', file, options);
      if ('file' in outside) await toDump(context, outside.file, options);
      else await toOriginal(context, outside.original, options);
    });
}

async function toDump(
  context: CommandContext,
  file: string,
  options: ExportOptions,
): Promise<void> {
  const { exportFolder } = await import('@commongrid/zdb');
  const { data, namespace, latest } = options;
  const done = await withByteProgress(context.terminal, 'exporting', (onProgress) =>
    exportFolder(data, file, {
      onProgress,
      signal: shutdownSignal(),
      history: latest !== true,
      ...(namespace === undefined ? {} : { namespace }),
    }),
  );
  const result = { schema: 'grid.zdb.export.1', file, ...done };
  const { namespaces, records, bytes } = done;
  printResult(context, options, result, () => {
    return `${records} records of ${namespaces.join(', ')} in ${file}, ${formatBytes(bytes)}`;
  });
}

async function toOriginal(
  context: CommandContext,
  original: OriginalFolders,
  options: ExportOptions,
): Promise<void> {
  const { exportOriginal } = await import('@commongrid/zdb');
  const { data, namespace } = options;
  const done = await withByteProgress(context.terminal, 'exporting', (onProgress) =>
    exportOriginal(data, original, {
      onProgress,
      signal: shutdownSignal(),
      ...(namespace === undefined ? {} : { namespace }),
    }),
  );
  for (const what of done.notKept) context.terminal.note(`not kept by the format: ${what}`);
  const result = { schema: 'grid.zdb.export-original.1', ...original, ...done };
  printResult(context, options, result, () => {
    const { indexDir, dataDir } = original;
    return `${done.records} records of ${done.namespaces.join(', ')} in ${indexDir} and ${dataDir}`;
  });
}
