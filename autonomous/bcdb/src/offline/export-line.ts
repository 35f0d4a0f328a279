import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import { makeLeaf, splitLeaf } from '../record/entry.ts';
import type { Entry } from '../record/entry.ts';
import type { Genesis } from '../record/genesis.ts';

/** First line of an export. */
export interface ExportHeader {
  readonly schema: 'grid.bcdb.export.1' | 'grid.bcdb.backup.1';
  readonly log: string;
  readonly genesis: Genesis;
  /** In a backup only: the private key of the sequencer, base64url. */
  readonly sequencerKey?: string;
}

/** First line of a file with records that a handover gave up; they follow as in an export. */
export interface LostHeader {
  readonly schema: 'grid.bcdb.lost.1';
  readonly log: string;
  readonly genesis: Genesis;
  /** Sequence of the first of them on the branch that was given up. */
  readonly from: number;
}

/** One record: a line each, in order of the log. */
export interface ExportRecord {
  readonly seq: number;
  /** The text that was signed. */
  readonly envelope: string;
  /** Base64 of the signature. */
  readonly signature: string;
  /** Base64 of salt and payload; absent where there is none, or it was erased. */
  readonly body?: string;
}

/** Last line: what the sequencer signed. Without it the file was cut off. */
export interface ExportEnd {
  readonly size: number;
  /** The C2SP note of the checkpoint at that size. */
  readonly checkpoint: string;
}

export function recordLine(seq: number, { leaf, body }: Entry): string {
  const { envelope, signature } = splitLeaf(leaf);
  const line: ExportRecord = {
    seq,
    envelope: new TextDecoder().decode(envelope),
    signature: signature.toBase64(),
    ...(body === undefined ? {} : { body: body.toBase64() }),
  };
  return JSON.stringify(line);
}

/** The entry of a line. @throws SyntaxError for what is no base64 in its one spelling */
export function entryOf({ envelope, signature, body }: ExportRecord): Entry {
  return {
    leaf: makeLeaf(new TextEncoder().encode(envelope), Uint8Array.fromBase64(signature, strict)),
    body: body === undefined ? undefined : Uint8Array.fromBase64(body, strict),
  };
}

const strict = { lastChunkHandling: 'strict' } as const;

/** What a line of a record may have: without this, a body under another name would pass for erased. */
const recordMembers: ReadonlySet<string> = new Set(['seq', 'envelope', 'signature', 'body']);

/** A line of an export, by what it has. @throws BCDB_EXPORT_INVALID naming the line */
export function parseLine(
  text: string,
  lineNumber: number,
): ExportHeader | ExportRecord | ExportEnd {
  try {
    const line = JSON.parse(text) as Partial<ExportHeader & ExportRecord & ExportEnd>;
    if (line.schema === 'grid.bcdb.export.1' || line.schema === 'grid.bcdb.backup.1') {
      return line as ExportHeader;
    }
    if (typeof line.envelope === 'string' && typeof line.signature === 'string') {
      if (!Object.keys(line).every((name) => recordMembers.has(name))) throw invalid(lineNumber);
      return line as ExportRecord;
    }
    if (typeof line.checkpoint === 'string') return line as ExportEnd;
  } catch (error) {
    throw invalid(lineNumber, error);
  }
  throw invalid(lineNumber);
}

function invalid(lineNumber: number, cause?: unknown): GridError<BcdbErrorCode> {
  return new GridError('BCDB_EXPORT_INVALID', `line ${lineNumber} is not of an export`, {
    hint: 'export the log again with grid bcdb export',
    details: { line: lineNumber },
    cause,
  });
}
