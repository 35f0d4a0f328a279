import { formatBytes, shutdownSignal } from '@commongrid/base';
import type { VerifyReport } from '@commongrid/zdb';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { Style } from '../../terminal.ts';
import { withByteProgress } from '../../byte-progress.ts';
import { folderCommand } from './folder.ts';
import type { FolderOptions } from './folder.ts';

export function zdbVerifyCommand(context: CommandContext): Command {
  return folderCommand('verify', 'Read every byte of a folder that no server uses; change nothing.')
    .addHelpText('after', '\nExit status 0 when all is sound, 1 when something is damaged.')
    .action(async (options: FolderOptions) => {
      const { terminal } = context;
      const { verifyFolder } = await import('@commongrid/zdb');
      const report = await withByteProgress(terminal, 'verifying', (onProgress) =>
        verifyFolder(options.data, { onProgress, signal: shutdownSignal() }),
      );
      if (report.isDamaged) context.exitStatus = 1;
      const result = { schema: 'grid.zdb.verify.1', ...report };
      printResult(context, options, result, () => describe(report, options.data, terminal.style));
    });
}

function describe(report: VerifyReport, folder: string, style: Style): string {
  const { findings, leftOut, isDamaged, records, segments, namespaces, bytes } = report;
  const lines = findings.map(({ text, isDamage, sequence, namespace, key }) => {
    const facts = [
      sequence === undefined ? '' : `record ${sequence}`,
      namespace === undefined ? '' : `namespace ${namespace}`,
      key === undefined ? '' : `key ${key}`,
    ].filter((fact) => fact !== '');
    const more = facts.length === 0 ? '' : ` (${facts.join(', ')})`;
    return `${isDamage ? style.bad('damage') : 'note'}: ${text}${more}`;
  });
  const left = leftOut === 0 ? [] : [`and ${leftOut} more`];
  const size = formatBytes(bytes);
  const total = `${records} records of ${namespaces} namespaces in ${segments} segments, ${size}`;
  const verdict = isDamaged ? style.bad('damaged') : style.good('sound');
  const next = isDamaged ? [`next: ./grid zdb repair --data ${folder}`] : [];
  return [...lines, ...left, `${verdict}: ${total}`, ...next].join('\n');
}
