import { readdir } from 'node:fs/promises';
import { equalBytes, isGridError, throwIfAborted } from '@commongrid/base';
import { BcdbFolder } from '../config.ts';
import { loadGenesis } from '../genesis-file.ts';
import { verifyState } from '../ledger/verify-state.ts';
import type { StoredEntry } from '../log/log-engine.ts';
import { namespaceOf } from '../projection/namespace-file.ts';
import { verifyProjection } from '../projection/verify-projection.ts';
import { logIdOf } from '../record/genesis.ts';
import { toBase64url } from '../tree/base64.ts';
import { LogVerifier } from './log-verifier.ts';
import type { LogFault } from './log-verifier.ts';
import { openFollowing } from './rebuild-folder.ts';
import { StoppedFolder } from './stopped-folder.ts';
import type { StoppedOptions } from './stopped-folder.ts';
import type { VerifyReport } from './verify-export.ts';

export interface VerifyFolderOptions extends StoppedOptions {
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
  readonly signal?: AbortSignal;
}

export interface FolderReport extends VerifyReport {
  /** What differs from the log in files that follow from it: they have to be made anew. */
  readonly findings: readonly string[];
}

/**
 * Verifies the folder of a database that no server uses: the files of the log, every record and
 * rule from the genesis on, and then the projection, row by row. The log is never changed; files of
 * the projection that lag behind, or are no databases any more, are mended on the way.
 * @throws BCDB_FOLDER_MISSING, BCDB_FOLDER_DAMAGED, BASE_FOLDER_LOCKED
 */
export async function verifyFolder(
  dataDir: string,
  options: VerifyFolderOptions = {},
): Promise<FolderReport> {
  try {
    const report = await verifyLog(dataDir, options);
    const isSound = report.fault === undefined;
    return { ...report, findings: isSound ? await projectionFindings(dataDir, options) : [] };
  } catch (error) {
    // Damage that is found when the log is opened.
    if (!isGridError(error, 'BCDB_LOG_CORRUPT')) throw error;
    const genesis = await loadGenesis(new BcdbFolder(dataDir));
    const { code, message, details } = error;
    const fault = { seq: Number(details['seq'] ?? 0), code, message };
    const log = toBase64url(logIdOf(genesis));
    const { sequencer } = genesis;
    return { log, verified: 0, root: '', sequencer, erased: 0, fault, findings: [] };
  }
}

async function verifyLog(
  dataDir: string,
  { onProgress, signal, postgres }: VerifyFolderOptions,
): Promise<VerifyReport> {
  await using stopped = await StoppedFolder.open(dataDir, { postgres });
  const { engine, genesis, log } = stopped;
  await using verifier = await LogVerifier.open(genesis);
  const total = engine.head.size;
  let fault: LogFault | undefined;
  let erased = 0;
  for await (const group of engine.read(0, total)) {
    throwIfAborted(signal);
    for (const entry of group) {
      if (isErased(entry)) erased++;
      fault ??= verifier.next(entry);
    }
    onProgress?.({ done: verifier.head.size, total });
    if (fault !== undefined) break;
  }
  const { size, root } = verifier.head;
  if (fault === undefined && !equalBytes(root, engine.head.root)) {
    const message = 'the root over all records is not the one that the log was ended with';
    fault = { seq: size, code: 'BCDB_LOG_CORRUPT', message };
  }
  const { sequencer } = verifier;
  return { log, verified: size, root: toBase64url(root), sequencer, erased, fault };
}

async function projectionFindings(
  dataDir: string,
  { postgres }: StoppedOptions,
): Promise<readonly string[]> {
  const folder = new BcdbFolder(dataDir);
  const findings: string[] = [];
  await using opened = new AsyncDisposableStack();
  const onFinding = (finding: string): void => void findings.push(finding);
  const { ledger, engine, hashes } = await openFollowing(folder, opened, {
    postgres,
    onFinding,
  });
  const { genesis } = ledger;
  const row = await verifyState({ file: folder.state, engine, hashes, genesis });
  if (row !== undefined) findings.push(`${folder.state}: ${row}`);
  for (const name of await readdir(folder.projection)) {
    const ns = namespaceOf(name);
    if (ns === undefined) continue;
    try {
      await verifyProjection({ folder: folder.projection, ns, effects: ledger.effects(0) });
    } catch (error) {
      if (!isGridError(error, 'BCDB_PROJECTION_CORRUPT')) throw error;
      findings.push(error.message);
    }
  }
  return findings;
}

/** Whether a payload was there and is not any more. */
function isErased({ leaf, body }: StoredEntry): boolean {
  return body === undefined && Buffer.from(leaf).includes('"op":"put"');
}
