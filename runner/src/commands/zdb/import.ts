import { shutdownSignal } from '@commongrid/base';
import type { OriginalFolders } from '@commongrid/zdb';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { withByteProgress } from '../../byte-progress.ts';
import { outsideOf, parseRename, transferCommand } from './folder.ts';
import type { OutsideOptions } from './folder.ts';

type ImportOptions = OutsideOptions & {
  readonly rename?: ReadonlyMap<string, string>;
  readonly acceptLoss?: true;
};

export function zdbImportCommand(context: CommandContext): Command {
  return transferCommand(
    'import',
    'Read a dump, or an original 0-db, into a new folder or beside what a folder has.',
  )
    .argument('[file]', 'the dump to read')
    .option('--rename <old=new>', 'give a namespace another name; may be repeated', parseRename)
    .option('--accept-loss', 'of a damaged original 0-db, import what is sound')
    .action(async (file: string | undefined, options: ImportOptions) => {
      const outside = outsideOf('import', file, options);
      if ('file' in outside) await fromDump(context, outside.file, options);
      else await fromOriginal(context, outside.original, options);
    });
}

async function fromDump(
  context: CommandContext,
  file: string,
  options: ImportOptions,
): Promise<void> {
  const { importFolder } = await import('@commongrid/zdb');
  const { data, rename: renames } = options;
  const done = await withByteProgress(context.terminal, 'importing', (onProgress) =>
    importFolder(file, data, {
      onProgress,
      signal: shutdownSignal(),
      ...(renames === undefined ? {} : { renames }),
    }),
  );
  const result = { schema: 'grid.zdb.import.1', file, ...done };
  printResult(context, options, result, () => {
    const { records, namespaces } = done;
    return namespaces.length === 0
      ? `${file} holds nothing that is not in ${data}`
      : `${records} records of ${namespaces.join(', ')} are in ${data}`;
  });
}

async function fromOriginal(
  context: CommandContext,
  original: OriginalFolders,
  options: ImportOptions,
): Promise<void> {
  const { importOriginal } = await import('@commongrid/zdb');
  const { data, rename: renames, acceptLoss } = options;
  const done = await withByteProgress(context.terminal, 'importing', (onProgress) =>
    importOriginal(original, data, {
      onProgress,
      signal: shutdownSignal(),
      acceptLoss: acceptLoss === true,
      ...(renames === undefined ? {} : { renames }),
    }),
  );
  for (const { text, bytes } of done.findings) {
    context.terminal.note(`not imported: ${bytes} bytes, ${text}`);
  }
  const result = { schema: 'grid.zdb.import-original.1', ...original, ...done };
  printResult(context, options, result, () => {
    return done.namespaces
      .map(({ name, mode, values, deletions }) => {
        return `${name} (${mode}): ${values} values, ${deletions} deletions`;
      })
      .join('\n');
  });
}
