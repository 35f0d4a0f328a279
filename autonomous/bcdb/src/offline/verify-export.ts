import { GridError, isGridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import type { LogHead } from '../log/log-engine.ts';
import type { Entry } from '../record/entry.ts';
import { requireGenesis } from '../record/genesis.ts';
import type { Effect } from '../state/effect.ts';
import { nodePrimitives } from '../tree/node-primitives.ts';
import { Verifier } from '../tree/verifier.ts';
import { openExport } from './export-file.ts';
import { entryOf, parseLine } from './export-line.ts';
import type { ExportEnd, ExportHeader, ExportRecord } from './export-line.ts';
import { LogVerifier } from './log-verifier.ts';
import type { LogFault } from './log-verifier.ts';

export interface VerifyExportOptions {
  /** Hash of the genesis that is expected, base64url; without it the file says which log it is. */
  readonly log?: string;
  readonly onProgress?: (progress: {
    readonly doneBytes: number;
    readonly totalBytes: number;
  }) => void;
  /** Called for each record once it was verified, in order. */
  readonly onRecord?: (record: VerifiedRecord) => Promise<void> | void;
  readonly signal?: AbortSignal;
}

/** A record of an export, sound up to there. */
export interface VerifiedRecord {
  readonly entry: Entry;
  readonly effects: readonly Effect[];
  /** The log up to and with this record. */
  readonly head: LogHead;
}

export interface VerifyReport {
  readonly log: string;
  /** Records that were verified: all below the fault, or all. */
  readonly verified: number;
  /** Merkle root over them, base64url. */
  readonly root: string;
  /** Key whose log it is after them. */
  readonly sequencer: string;
  /** Payloads that were erased: nobody can say any more what they were. */
  readonly erased: number;
  /** The first thing that is wrong; undefined for a sound log. */
  readonly fault: LogFault | undefined;
}

/**
 * Verifies an export with nothing but the file: genesis, every record and rule, and that the
 * sequencer signed exactly this log. Reads one line at a time.
 * @throws BCDB_EXPORT_INVALID, BCDB_OTHER_LOG
 */
export async function verifyExport(
  file: string,
  { log, onProgress, onRecord, signal }: VerifyExportOptions = {},
): Promise<VerifyReport> {
  await using handle = await openExport(file);
  const totalBytes = (await handle.stat()).size;
  let verifier: LogVerifier | undefined;
  let header: ExportHeader | undefined;
  let end: ExportEnd | undefined;
  let fault: LogFault | undefined;
  let erased = 0;
  let doneBytes = 0;
  let lineNumber = 0;
  try {
    for await (const text of handle.readLines()) {
      signal?.throwIfAborted();
      lineNumber++;
      doneBytes += text.length + 1;
      if (lineNumber % 1000 === 0) onProgress?.({ doneBytes, totalBytes });
      const line = parseLine(text, lineNumber);
      if (verifier === undefined) {
        header = requireHeader(line, log);
        verifier = await LogVerifier.open(header.genesis);
        continue;
      }
      if ('checkpoint' in line) {
        end = line;
        break;
      }
      const record = requireRecord(line, lineNumber);
      if (record.body === undefined && record.envelope.includes('"op":"put"')) erased++;
      fault = faultOf(verifier, record);
      if (fault !== undefined) break;
      const { effects } = verifier;
      await onRecord?.({ entry: entryOf(record), effects, head: verifier.head });
    }
    if (verifier === undefined || header === undefined) throw notAnExport();
    fault ??= endFault(verifier, header, end);
    const { size, root } = verifier.head;
    const rootText = root.toBase64({ alphabet: 'base64url', omitPadding: true });
    const { sequencer } = verifier;
    return { log: header.log, verified: size, root: rootText, sequencer, erased, fault };
  } finally {
    await verifier?.close();
  }
}

function faultOf(verifier: LogVerifier, record: ExportRecord): LogFault | undefined {
  const { size } = verifier.head;
  if (record.seq !== size) {
    const message = `record ${size} is missing: the next one says that it is ${record.seq}`;
    return { seq: size, code: 'BCDB_LOG_CORRUPT', message };
  }
  try {
    return verifier.next(entryOf(record));
  } catch (error) {
    // Text that is no base64.
    if (!(error instanceof SyntaxError)) throw error;
    return { seq: size, code: 'BCDB_ENVELOPE_INVALID', message: 'it is no base64' };
  }
}

/** Whether the sequencer signed what was verified, and nothing was cut off. */
function endFault(
  verifier: LogVerifier,
  { log }: ExportHeader,
  end: ExportEnd | undefined,
): LogFault | undefined {
  const { size, root } = verifier.head;
  if (end === undefined) {
    const message = 'the file ends without a checkpoint: it was cut off';
    return { seq: size, code: 'BCDB_EXPORT_INVALID', message };
  }
  try {
    const signed = new Verifier(nodePrimitives).verifyCheckpoint(end.checkpoint, {
      log,
      sequencerKey: verifier.sequencer,
    });
    const rootText = root.toBase64({ alphabet: 'base64url', omitPadding: true });
    if (signed.size === size && signed.root === rootText) return undefined;
    const message = `the sequencer signed ${signed.size} records with root ${signed.root}`;
    return { seq: Math.min(size, signed.size), code: 'BCDB_LOG_CORRUPT', message };
  } catch (error) {
    if (!isGridError(error)) throw error;
    return { seq: size, code: error.code, message: error.message };
  }
}

function requireHeader(line: ReturnType<typeof parseLine>, log: string | undefined): ExportHeader {
  if (!('genesis' in line)) throw notAnExport();
  requireGenesis(line.genesis, log ?? line.log);
  return line;
}

function requireRecord(line: ReturnType<typeof parseLine>, lineNumber: number): ExportRecord {
  if ('envelope' in line) return line;
  throw new GridError<BcdbErrorCode>('BCDB_EXPORT_INVALID', `line ${lineNumber} is no record`);
}

function notAnExport(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_EXPORT_INVALID', 'this file is no export of a log', {
    hint: 'make one with grid bcdb export',
  });
}
