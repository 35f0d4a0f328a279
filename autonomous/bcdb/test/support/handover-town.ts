import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SigningKey } from '@commongrid/crypto';
import type { BcdbOptions } from '../../src/config.ts';
import { exportLog } from '../../src/offline/export-log.ts';
import { applyHandover, stateHandover } from '../../src/offline/handover.ts';
import type { HandoverReport, StateHandoverOptions } from '../../src/offline/handover.ts';
import { entryOf } from '../../src/offline/export-line.ts';
import type { ExportRecord } from '../../src/offline/export-line.ts';
import { restoreBackup } from '../../src/offline/restore-backup.ts';
import { StoppedFolder } from '../../src/offline/stopped-folder.ts';
import type { Entry } from '../../src/record/entry.ts';
import { signHandover } from '../../src/record/handover.ts';
import { openNotes, writeNotes } from './notes.ts';

/** Hands the log of a stopped folder over, as its only admin. */
export async function handOver(
  dataDir: string,
  owner: SigningKey,
  options: StateHandoverOptions = {},
): Promise<HandoverReport> {
  const { statement } = await stateHandover(dataDir, options);
  return applyHandover(dataDir, [signHandover({ statement, signatures: [] }, owner)]);
}

/** A stopped folder with some notes. */
export async function makeNotes(options: BcdbOptions, count = 10): Promise<void> {
  await using bcdb = await openNotes(options);
  await writeNotes(bcdb, count);
}

/** Writes a backup of a stopped folder. */
export async function backUp(dataDir: string, file: string): Promise<void> {
  await using stopped = await StoppedFolder.open(dataDir);
  const { engine, genesis, sequencerKey, log } = stopped;
  const read = engine.read.bind(engine);
  const { size, note: checkpoint } = await stopped.signedHead();
  const options = { size, checkpoint, sequencerKey };
  const lines = await Array.fromAsync(exportLog({ log, genesis, read }, options));
  await writeFile(file, lines.join(''));
}

/** A folder made of an older backup, which its owner has handed over. */
export async function restoreOlder(
  folder: string,
  backup: string,
  owner: SigningKey,
): Promise<string> {
  const dataDir = join(folder, 'restored');
  await restoreBackup(backup, dataDir);
  await handOver(dataDir, owner);
  return dataDir;
}

/** Records of a file of those that were given up. */
export async function lostEntries(file: string): Promise<readonly Entry[]> {
  const [, ...lines] = (await readFile(file, 'utf8')).trimEnd().split('\n');
  return lines.map((line) => entryOf(JSON.parse(line) as ExportRecord));
}
