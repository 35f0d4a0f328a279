import type { LogEngine } from '../log/log-engine.ts';
import type { Genesis } from '../record/genesis.ts';
import type { ExportEnd, ExportHeader } from './export-line.ts';
import { recordLine } from './export-line.ts';

export interface ExportSource {
  readonly log: string;
  readonly genesis: Genesis;
  readonly read: LogEngine['read'];
}

export interface ExportOptions {
  /** Records of the log that are written. */
  readonly size: number;
  /** Signed note over exactly that size. */
  readonly checkpoint: string;
}

/** The whole log as lines of JSON, each with its line end: what `verifyExport` reads. */
export async function* exportLog(
  source: ExportSource,
  { size, checkpoint }: ExportOptions,
): AsyncGenerator<string> {
  const { log, genesis } = source;
  const header: ExportHeader = { schema: 'grid.bcdb.export.1', log, genesis };
  yield `${JSON.stringify(header)}\n`;
  for await (const group of source.read(0, size)) {
    yield group.map((entry) => `${recordLine(entry.seq, entry)}\n`).join('');
  }
  const end: ExportEnd = { size, checkpoint };
  yield `${JSON.stringify(end)}\n`;
}
