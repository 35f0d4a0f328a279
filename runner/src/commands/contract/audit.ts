import { errorCode, GridError, shutdownSignal, writeFileAtomic } from '@commongrid/base';
import { auditContract } from '@commongrid/contract';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { withProgress } from '../../terminal.ts';
import { serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { describeReport } from '../audit/describe-report.ts';
import { contractIn, withContractView } from './contract-view.ts';

type AuditOptions = ServerOptions & { readonly export?: string };

export function contractAuditCommand(context: CommandContext): Command {
  return serverCommand('audit', 'Show who signed what when, every record, and all of its money.')
    .argument('<contract>', 'its name, or its id')
    .option('--export <file>', 'write all that shows it: `grid audit verify` needs no server')
    .action(async (name: string, options: AuditOptions) => {
      const signal = shutdownSignal();
      const work = withContractView(context, options, (view) => {
        const { feed, bot, client } = view;
        const { id } = contractIn(view, name);
        const { source } = feed;
        return auditContract({ source, trust: client.trust, reader: bot, contract: id, signal });
      });
      const { finding, text } = await withProgress(context.terminal, 'reading the log', work);
      const file = options.export;
      if (file !== undefined) await write(file, text);
      const { report, head, log, sequencer, reader, toldCount, withheldCount } = finding;
      const result = {
        ...{
          schema: 'grid.contract.audit-report.1',
          log,
          sequencer,
          reader,
          toldCount,
          withheldCount,
          head,
        },
        ...{ file: file ?? null, report },
      };
      printResult(context, options, result, () => {
        const next = `${file}\nnext: ./grid audit verify ${file}`;
        const lines = describeReport(report, context.terminal.style);
        return [lines, ...(file === undefined ? [] : ['', next])].join('\n');
      });
    });
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFileAtomic(path, text, { mode: 0o644 });
  } catch (cause) {
    const why = errorCode(cause) ?? String(cause);
    throw new GridError<GridErrorCode>('GRID_FILE_UNWRITABLE', `cannot write ${path}: ${why}`, {
      hint: 'name a file in a folder that you may write',
      details: { path },
      cause,
    });
  }
}
