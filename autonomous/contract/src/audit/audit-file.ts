import { GridError, isGridError } from '@commongrid/base';
import { canonicalHash, canonicalText, parseCanonical } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import { idPatterns } from '@commongrid/model';
import type { BotId, ContractId } from '@commongrid/model';
import type { ContractErrorCode } from '../errors.ts';
import type { AuditReport } from './audit-report.ts';

/** Longest file, bytes. */
export const auditFileBytesMax = 64 * 2 ** 20;

const schema = 'grid.contract.audit.1';

/** All that shows what became of a contract, to somebody who has the log's hash and its first key. */
export interface AuditFile {
  readonly schema: typeof schema;
  /** Hash of the genesis, base64url. */
  readonly log: string;
  readonly contract: ContractId;
  /** Whose feed it is made of. */
  readonly reader: BotId;
  /** The genesis, and how the log came to the key that signs now: a `Succession` of BCDB. */
  readonly succession: JsonValue;
  /** Replies of the database with the reader's feeds, from their beginning. */
  readonly pages: readonly JsonValue[];
  /** What the records come to. Whoever verifies works it out again. */
  readonly report: AuditReport;
}

/** Canonical JSON with a digest of the rest, and the end of a line. @throws AUDIT_FILE_LARGE */
export function auditText(file: Omit<AuditFile, 'schema'>): string {
  const whole = { schema, ...file };
  const text = `${canonicalText({ ...whole, digest: digestOf(whole) })}\n`;
  requireFits(Buffer.byteLength(text), auditFileBytesMax);
  return text;
}

/** @param max bytes that a file may have @throws AUDIT_FILE_LARGE */
export function requireFits(bytes: number, max: number): void {
  if (bytes <= max) return;
  throw new GridError<ContractErrorCode>(
    'AUDIT_FILE_LARGE',
    `the reader was told more than the ${max} bytes that a file may have`,
    { hint: 'keep a copy of the whole log: grid bcdb export', details: { max } },
  );
}

/**
 * Reads a file that came from anywhere. Nothing but its form is verified.
 * @throws AUDIT_FILE_INVALID, AUDIT_FILE_DAMAGED
 */
export function readAuditFile(bytes: Uint8Array): AuditFile & { readonly digest: string } {
  if (bytes.at(-1) !== 0x0a) throw damaged('its end is missing', 'end');
  const { digest, ...rest } = membersOf(parsed(bytes.subarray(0, -1)));
  const { log, contract, reader, succession, pages, report } = rest;
  if (rest['schema'] !== schema) throw invalid('schema', `it is no ${schema}`);
  const names = ['contract', 'digest', 'log', 'pages', 'reader', 'report', 'schema', 'succession'];
  for (const name of Object.keys(rest)) {
    if (!names.includes(name)) throw invalid(name, `no file of this version has ${name}`);
  }
  const isText = (value: unknown, pattern: string): value is string =>
    typeof value === 'string' && new RegExp(`^${pattern}$`).test(value);
  if (!isText(log, hash)) throw invalid('log', 'it names no log');
  if (!isText(contract, idPatterns.contract)) throw invalid('contract', 'it names no contract');
  if (!isText(reader, idPatterns.bot)) throw invalid('reader', 'it names no reader');
  if (!isText(digest, hash)) throw invalid('digest', 'it has no digest');
  if (!Array.isArray(pages)) throw invalid('pages', 'it has no pages');
  if (succession === undefined) throw invalid('succession', 'it has no genesis');
  if (report === undefined) throw invalid('report', 'it has no report');
  return {
    ...{ schema, log, digest, succession, pages: pages as JsonValue[] },
    ...{ contract: contract as ContractId, reader: reader as BotId },
    // Held to the one that is worked out again, so its form need not be looked at.
    report: report as unknown as AuditReport,
  };
}

/** That nothing of a file was changed that is not verified otherwise. @throws AUDIT_FILE_DAMAGED */
export function requireDigest({ digest, ...rest }: AuditFile & { readonly digest: string }): void {
  if (digestOf(rest) !== digest) throw damaged('it is not as it was written', 'digest');
}

const hash = '[A-Za-z0-9_-]{43}';

function digestOf(file: object): string {
  return canonicalHash(file).toBase64({ alphabet: 'base64url', omitPadding: true });
}

function parsed(bytes: Uint8Array): JsonValue {
  try {
    return parseCanonical(bytes, { maxBytes: auditFileBytesMax });
  } catch (error) {
    if (!isGridError(error)) throw error;
    throw damaged(error.message, 'text');
  }
}

function membersOf(value: JsonValue): { readonly [name: string]: JsonValue | undefined } {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (isObject) return value as { readonly [name: string]: JsonValue };
  throw invalid('', 'it is no object');
}

function invalid(path: string, why: string): GridError<ContractErrorCode> {
  return new GridError('AUDIT_FILE_INVALID', `this is no audit of a contract: ${why}`, {
    hint: 'make one: grid contract audit CONTRACT --export FILE',
    details: { path: `/${path}` },
  });
}

function damaged(why: string, path: string): GridError<ContractErrorCode> {
  return new GridError('AUDIT_FILE_DAMAGED', `the file is damaged: ${why}`, {
    hint: 'get it again from whoever made it',
    details: { path: `/${path}` },
  });
}
