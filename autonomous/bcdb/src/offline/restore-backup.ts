import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode, GridError, syncFolder } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';
import { BcdbFolder } from '../config.ts';
import type { BcdbErrorCode } from '../errors.ts';
import { writeIdentity } from '../genesis-file.ts';
import type { LogIdentity } from '../genesis-file.ts';
import { EmbeddedLog } from '../log/embedded/embedded-log.ts';
import type { LogHead } from '../log/log-engine.ts';
import type { Entry } from '../record/entry.ts';
import { logIdOf } from '../record/genesis.ts';
import { openExport } from './export-file.ts';
import { parseLine } from './export-line.ts';
import { markRestored } from './restored-mark.ts';
import { verifyExport } from './verify-export.ts';
import type { VerifyExportOptions, VerifyReport } from './verify-export.ts';

/** Records, and bytes of them, that go to the disk at a time. */
const batchRecords = 1000;
const batchBytes = 4 << 20;

export interface RestoreOptions extends Omit<VerifyExportOptions, 'onRecord'> {
  /**
   * The log had no more records than the backup has, which nobody but the operator can know. Without
   * it the folder serves nobody until the admins have handed the log over: to sign beside what was
   * signed before would fork it.
   */
  readonly nothingLost?: boolean;
}

/**
 * Makes the folder of a database from a backup. Each record is verified on the way, and the folder
 * appears under its name only when all of it is there. What follows from the log is made at the next
 * start.
 * @throws BCDB_FOLDER_EXISTS, BCDB_EXPORT_INVALID
 */
export async function restoreBackup(
  file: string,
  dataDir: string,
  { nothingLost = false, ...options }: RestoreOptions = {},
): Promise<VerifyReport> {
  await requireEmpty(dataDir);
  const identity = await identityOf(file);
  const temp = `${dataDir}.restoring`;
  await rm(temp, { recursive: true, force: true });
  await mkdir(temp, { recursive: true, mode: 0o700 });
  try {
    const folder = new BcdbFolder(temp);
    const report = await fill(file, folder, identity, options);
    if (!nothingLost) await markRestored(folder, report.verified);
    // An empty folder gives way to the full one.
    await rename(temp, dataDir);
    await syncFolder(dirname(dataDir));
    return report;
  } catch (error) {
    await rm(temp, { recursive: true, force: true });
    throw error;
  }
}

async function fill(
  file: string,
  folder: BcdbFolder,
  identity: LogIdentity,
  options: VerifyExportOptions,
): Promise<VerifyReport> {
  await using engine = await EmbeddedLog.open({
    folder: folder.log,
    log: logIdOf(identity.genesis),
  });
  let entries: Entry[] = [];
  let bytes = 0;
  const flush = async (head: LogHead): Promise<void> => {
    await engine.append({ from: head.size - entries.length, entries, head });
    entries = [];
    bytes = 0;
  };
  let last: LogHead | undefined;
  const report = await verifyExport(file, {
    ...options,
    onRecord: async ({ entry, head }) => {
      entries.push(entry);
      bytes += entry.leaf.length + (entry.body?.length ?? 0);
      last = head;
      if (entries.length >= batchRecords || bytes >= batchBytes) await flush(head);
    },
  });
  if (report.fault !== undefined) {
    const { seq, code, message } = report.fault;
    throw invalid(`record ${seq} is not sound: ${message}`, { seq, code });
  }
  if (identity.sequencerKey.publicKey.text !== report.sequencer) {
    throw invalid('its sequencer key is not the one that the log names', { line: 1 });
  }
  if (entries.length > 0 && last !== undefined) await flush(last);
  await writeIdentity(folder, identity);
  return report;
}

async function identityOf(file: string): Promise<LogIdentity> {
  await using handle = await openExport(file);
  for await (const text of handle.readLines()) {
    const line = parseLine(text, 1);
    if (!('genesis' in line) || line.sequencerKey === undefined) break;
    const sequencerKey = SigningKey.fromSeed(Buffer.from(line.sequencerKey, 'base64url'));
    return { genesis: line.genesis, sequencerKey };
  }
  throw invalid('it holds no key of a sequencer: it is an export, not a backup', { line: 1 });
}

async function requireEmpty(dataDir: string): Promise<void> {
  try {
    if ((await readdir(dataDir)).length === 0) return;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  throw new GridError<BcdbErrorCode>('BCDB_FOLDER_EXISTS', `${dataDir} is not empty`, {
    hint: 'name a new folder, or move this one away',
    details: { folder: dataDir },
  });
}

function invalid(
  what: string,
  details: Readonly<Record<string, unknown>>,
): GridError<BcdbErrorCode> {
  return new GridError('BCDB_EXPORT_INVALID', `this backup cannot be restored: ${what}`, {
    hint: 'make another one with grid bcdb backup',
    details,
  });
}
