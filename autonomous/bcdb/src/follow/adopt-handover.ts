import { createWriteStream, existsSync, renameSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { equalBytes, FolderLock, syncFolder } from '@commongrid/base';
import { BcdbFolder } from '../config.ts';
import { loadGenesis } from '../genesis-file.ts';
import { trustOfLedger } from '../ledger/ledger-succession.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { openLedger } from '../ledger/open-ledger.ts';
import { EmbeddedLog } from '../log/embedded/embedded-log.ts';
import { recordLine } from '../offline/export-line.ts';
import type { LostHeader } from '../offline/export-line.ts';
import { logIdOf } from '../record/genesis.ts';
import { fromBase64url } from '../tree/base64.ts';
import { nodePrimitives } from '../tree/node-primitives.ts';
import { extendTrust, partingSize } from '../tree/succession.ts';
import type { Trust } from '../tree/verifier.ts';
import { freePath } from './handed-over.ts';

export interface AdoptReport {
  /** Records that the copy has now. */
  readonly kept: number;
  /** Records that were given up. */
  readonly lost: number;
  /** Lines of those records, so that their authors can send them again; undefined for none. */
  readonly lostFile?: string;
  /** The log as it was, whole. */
  readonly formerLog?: string;
}

/**
 * Makes a copy of a log, which nobody uses meanwhile, one that can follow a log that was handed over
 * below its end. Nothing is lost: the log as it was stays beside, and the records that were given up
 * are written out.
 *
 * 1. The records that stay go into a new folder; the others into a file of lines.
 * 2. What follows from the log is removed.
 * 3. The former log gets another name, the new one takes its place. Killed in between,
 *    `finishAdoption` does the rest at the next start.
 *
 * Only for a copy that halted with BCDB_HANDED_OVER: one that is merely behind cannot be told here from
 * one that left the log below the handover, because its sequencer forked it. That one begins anew.
 * @param succession parsed JSON of a `Succession`: `details.succession` of BCDB_HANDED_OVER
 * @throws BCDB_FOLDER_DAMAGED, BASE_FOLDER_LOCKED, and what `extendTrust` throws
 */
export async function adoptHandover(dataDir: string, succession: unknown): Promise<AdoptReport> {
  const folder = new BcdbFolder(dataDir);
  await using _lock = await FolderLock.open(dataDir);
  finishAdoption(folder);
  await rm(folder.nextLog, { recursive: true, force: true });
  const report = await split(folder, succession);
  if (report.lostFile === undefined) return report;
  for (const path of folder.derived) await rm(path, { recursive: true, force: true });
  const formerLog = freePath(`${folder.log}.given-up-${report.kept}`);
  await rename(folder.log, formerLog);
  finishAdoption(folder);
  await syncFolder(dataDir);
  return { ...report, formerLog };
}

/** Ends the adoption of a handover during which the process was killed. */
export function finishAdoption(folder: BcdbFolder): void {
  if (existsSync(folder.log) || !existsSync(folder.nextLog)) return;
  renameSync(folder.nextLog, folder.log);
}

async function split(folder: BcdbFolder, succession: unknown): Promise<AdoptReport> {
  const genesis = await loadGenesis(folder);
  await using opened = new AsyncDisposableStack();
  const { ledger } = await openLedger({ folder, genesis, opened });
  await ledger.catchUp();
  const { size } = ledger.head;
  const kept = keptSize(ledger, extendTrust(nodePrimitives, trustOfLedger(ledger), succession));
  if (kept >= size) return { kept: size, lost: 0 };
  const lostFile = await writeLost(folder, ledger, kept);
  await copyLog(folder, ledger, kept);
  return { kept, lost: size - kept, lostFile };
}

/** How many of the first records the log that was handed over has, too. */
function keptSize(ledger: Ledger, trust: Trust): number {
  const { size } = ledger.head;
  const parting = partingSize(trustOfLedger(ledger).handovers ?? [], trust);
  const statement = trust.handovers?.find((handover) => handover.size === parting);
  if (statement === undefined) return size;
  const root = fromBase64url(statement.root) ?? new Uint8Array();
  return size >= parting && equalBytes(ledger.rootAt(parting), root) ? parting : 0;
}

async function writeLost(folder: BcdbFolder, ledger: Ledger, from: number): Promise<string> {
  const file = freePath(join(folder.path, `lost-${from}`), '.jsonl');
  const temp = `${file}.tmp`;
  const lines = createWriteStream(temp, { mode: 0o600, flush: true });
  await pipeline(lostLines(ledger, from), lines);
  await rename(temp, file);
  await syncFolder(folder.path);
  return file;
}

async function* lostLines(ledger: Ledger, from: number): AsyncGenerator<string> {
  const { log, genesis } = ledger;
  const header: LostHeader = { schema: 'grid.bcdb.lost.1', log, genesis, from };
  yield `${JSON.stringify(header)}\n`;
  for await (const group of ledger.read(from, ledger.head.size)) {
    yield group.map((entry) => `${recordLine(entry.seq, entry)}\n`).join('');
  }
}

async function copyLog(folder: BcdbFolder, ledger: Ledger, size: number): Promise<void> {
  const log = logIdOf(ledger.genesis);
  await using copy = await EmbeddedLog.open({ folder: folder.nextLog, log });
  for await (const entries of ledger.read(0, size)) {
    const from = entries[0]?.seq ?? 0;
    const end = from + entries.length;
    await copy.append({ from, entries, head: { size: end, root: ledger.rootAt(end) } });
  }
}
