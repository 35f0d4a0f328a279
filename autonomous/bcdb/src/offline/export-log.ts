import type { SigningKey } from '@commongrid/crypto';
import type { LogEngine } from '../log/log-engine.ts';
import type { Genesis } from '../record/genesis.ts';
import { toBase64url } from '../tree/base64.ts';
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
  /** Private key of the sequencer: makes the export a backup, to be kept secret. */
  readonly sequencerKey?: SigningKey;
}

/** The whole log as lines of JSON, each with its line end: what `verifyExport` reads. */
export async function* exportLog(
  source: ExportSource,
  { size, checkpoint, sequencerKey }: ExportOptions,
): AsyncGenerator<string> {
  const { log, genesis } = source;
  yield `${JSON.stringify(headerOf(log, genesis, sequencerKey))}\n`;
  for await (const group of source.read(0, size)) {
    yield group.map((entry) => `${recordLine(entry.seq, entry)}\n`).join('');
  }
  const end: ExportEnd = { size, checkpoint };
  yield `${JSON.stringify(end)}\n`;
}

function headerOf(log: string, genesis: Genesis, key: SigningKey | undefined): ExportHeader {
  if (key === undefined) return { schema: 'grid.bcdb.export.1', log, genesis };
  const sequencerKey = toBase64url(key.exportSeed());
  return { schema: 'grid.bcdb.backup.1', log, genesis, sequencerKey };
}
