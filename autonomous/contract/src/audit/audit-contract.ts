import { isDeepStrictEqual } from 'node:util';

import { GridError, isGridError } from '@commongrid/base';
import { extendTrust } from '@commongrid/bcdb/browser';
import type { Trust, VerifiedHead } from '@commongrid/bcdb/browser';
import { FeedWalk } from '@commongrid/bcdb/client';
import type { LightSource, WalkedRecord } from '@commongrid/bcdb/client';
import type { JsonValue } from '@commongrid/crypto';
import { GridFold, recordTypes } from '@commongrid/model';
import type { BotId, ContractId } from '@commongrid/model';
import type { ContractErrorCode } from '../errors.ts';
import {
  auditFileBytesMax,
  auditText,
  readAuditFile,
  requireDigest,
  requireFits,
} from './audit-file.ts';
import { auditReport } from './audit-report.ts';
import { isOfOther, withheldFrom } from './withhold.ts';
import type { AuditReport } from './audit-report.ts';

export interface AuditOptions {
  readonly source: LightSource;
  readonly trust: Trust;
  readonly reader: BotId;
  readonly contract: ContractId;
  readonly signal: AbortSignal;
  /** Default: what a file may have. */
  readonly bytesMax?: number;
}

/** What was found to be so, and by whose word. */
export interface AuditFinding {
  readonly report: AuditReport;
  /** The newest head under which all records are, signed. */
  readonly head: VerifiedHead;
  readonly log: string;
  /** The key that signed the first heads of the log. */
  readonly sequencer: string;
  readonly reader: BotId;
  /** Records that the reader was told of anything, all of which were verified. */
  readonly toldCount: number;
  /** Of these, workloads of other contracts: what they say is not in the file. */
  readonly withheldCount: number;
}

/**
 * Asks a database for all that a reader was told, verifies it, and works out what became of a contract.
 * @returns the finding, and the text of a file with all that shows it
 * @throws AUDIT_CONTRACT_ABSENT, AUDIT_FILE_LARGE, AUDIT_MONEY_DIFFERS, AUDIT_RECORDS_INVALID, and what
 *   the source throws
 */
export async function auditContract({
  source,
  trust: known,
  reader,
  contract,
  signal,
  bytesMax = auditFileBytesMax,
}: AuditOptions): Promise<{ readonly finding: AuditFinding; readonly text: string }> {
  const succession = (await source.succession(signal)) as JsonValue;
  const trust = extendTrust(known, succession);
  const mayLack = isOfOther(contract);
  const walk = new FeedWalk({ trust, reader, mayLack });
  const pages: JsonValue[] = [];
  const records: WalkedRecord[] = [];
  let bytes = 0;
  while (!walk.isWhole) {
    const page = (await source.feeds(walk.request, signal)) as JsonValue;
    const told = taken(walk, page, pages.length);
    records.push(...told);
    const kept = withheldFrom(page, told, mayLack);
    pages.push(kept);
    bytes += JSON.stringify(kept).length;
    requireFits(bytes, bytesMax);
  }
  const parts = { walk, records, trust, reader, contract, succession };
  const finding = findingOf(parts);
  const { report, log } = finding;
  return { finding, text: auditText({ log, contract, reader, succession, pages, report }) };
}

/**
 * Verifies a file of an audit with nothing but the file, and the trust where one has it from elsewhere:
 *
 * 1. The genesis hashes to the log; handovers since are signed by those whom it names.
 * 2. Every page: the checkpoint by the sequencer, records in its tree, each signed by its author, and all
 *    that the newest tick tells of for the reader, with the log time of each.
 * 3. The rules, over all of that again; the money of the contract, held to the ledger.
 * 4. The report says the same. The digest holds for whatever of the file says nothing.
 *
 * @param trust of whoever verifies; without it the file's own, to be compared by hand
 * @throws AUDIT_FILE_INVALID, AUDIT_FILE_DAMAGED, AUDIT_TRUST_DIFFERS, AUDIT_RECORDS_INVALID,
 *   AUDIT_CONTRACT_ABSENT, AUDIT_MONEY_DIFFERS, AUDIT_REPORT_DIFFERS
 */
export function verifyAudit(bytes: Uint8Array, known?: Trust): AuditFinding {
  const file = readAuditFile(bytes);
  const { reader, contract, succession, pages, report } = file;
  const trust = trustOf(file, known);
  const walk = new FeedWalk({ trust, reader, mayLack: isOfOther(contract) });
  const records = pages.flatMap((page, index) => taken(walk, page, index));
  if (!walk.isWhole) throw invalidRecords(pages.length, 'the rest is missing');
  const finding = findingOf({ walk, records, trust, reader, contract, succession });
  const path = differenceOf(finding.report, report, '/report');
  if (path !== undefined) {
    throw new GridError<ContractErrorCode>(
      'AUDIT_REPORT_DIFFERS',
      `the records say something else than the report at ${path}`,
      { hint: 'believe the records: make the report again from them', details: { path } },
    );
  }
  requireDigest(file);
  return finding;
}

interface FindingParts {
  readonly walk: FeedWalk;
  readonly records: readonly WalkedRecord[];
  readonly trust: Trust;
  readonly reader: BotId;
  readonly contract: ContractId;
  readonly succession: JsonValue;
}

function findingOf(parts: FindingParts): AuditFinding {
  const { walk, records, trust, reader, contract, succession } = parts;
  const { releaseKeys, sequencer } = genesisOf(succession);
  const fold = new GridFold({ log: trust.log, releaseKeys, reader });
  const isOther = isOfOther(contract);
  const shown = records.filter(({ changes }) => !changes.some(isOther));
  fold.add(
    shown.flatMap(({ seq, at, changes }) =>
      changes.flatMap(({ url, obj, op, author, value }) =>
        recordTypes.has(url) ? [{ seq, at, author, url, obj, op, value }] : [],
      ),
    ),
  );
  const handovers = trust.handovers ?? [];
  const sequencers = new Set([sequencer, ...handovers.map((one) => one.sequencer)]);
  const at = walk.tick?.at ?? 0;
  const report = auditReport({ fold, records: shown, contract, at, sequencers });
  if (report === undefined || walk.head === undefined) throw absent(contract, reader);
  const [toldCount, shownCount] = [records, shown].map(countOf) as [number, number];
  const withheldCount = toldCount - shownCount;
  return { report, head: walk.head, log: trust.log, sequencer, reader, toldCount, withheldCount };
}

/** Records that may be in both feeds. */
function countOf(records: readonly WalkedRecord[]): number {
  return new Set(records.map(({ seq }) => seq)).size;
}

function taken(walk: FeedWalk, page: unknown, index: number): readonly WalkedRecord[] {
  try {
    return walk.take(page);
  } catch (error) {
    if (!isGridError(error)) throw error;
    throw invalidRecords(index, error.message, error);
  }
}

/** @throws AUDIT_TRUST_DIFFERS */
function trustOf(
  { log, succession }: { readonly log: string; readonly succession: JsonValue },
  known: Trust | undefined,
): Trust {
  if (known !== undefined && known.log !== log) {
    throw untrusted(`it is of the log ${log}, and you named ${known.log}`);
  }
  try {
    const first = known ?? { log, sequencerKey: genesisOf(succession).sequencer };
    return extendTrust(first, succession);
  } catch (error) {
    if (!isGridError(error)) throw error;
    throw untrusted(error.message, error);
  }
}

interface GenesisFacts {
  readonly sequencer: string;
  readonly releaseKeys: readonly string[];
}

/** What the genesis says; `extendTrust` holds its text to the log. @throws AUDIT_TRUST_DIFFERS */
function genesisOf(succession: JsonValue): GenesisFacts {
  try {
    const { genesis } = succession as { readonly genesis: string };
    return JSON.parse(genesis) as GenesisFacts;
  } catch (cause) {
    throw untrusted('it has no genesis', cause);
  }
}

/** JSON pointer of the first place where two values differ. */
function differenceOf(actual: unknown, said: unknown, path: string): string | undefined {
  if (isDeepStrictEqual(actual, said)) return undefined;
  if (!isObject(actual) || !isObject(said)) return path;
  for (const name of new Set([...Object.keys(actual), ...Object.keys(said)])) {
    const [one, other] = [Reflect.get(actual, name), Reflect.get(said, name)] as unknown[];
    const place = differenceOf(one, other, `${path}/${name}`);
    if (place !== undefined) return place;
  }
  return path;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function untrusted(why: string, cause?: unknown): GridError<ContractErrorCode> {
  return new GridError('AUDIT_TRUST_DIFFERS', `nothing says that this is the log: ${why}`, {
    hint: 'get the hash of the genesis and the key of the sequencer from somebody you trust',
    cause,
  });
}

function absent(contract: ContractId, reader: BotId): GridError<ContractErrorCode> {
  return new GridError('AUDIT_CONTRACT_ABSENT', `${reader} was told of no contract ${contract}`, {
    hint: 'act as a bot that owns, signs or controls it',
    details: { contract, reader },
  });
}

function invalidRecords(
  page: number,
  why: string,
  cause?: GridError,
): GridError<ContractErrorCode> {
  const path = `/pages/${page}`;
  const details = { page, path, ...(cause === undefined ? {} : { code: cause.code }) };
  return new GridError('AUDIT_RECORDS_INVALID', `${path} proves nothing: ${why}`, {
    hint: 'get the file again; if it was made like that, do not believe who made it',
    details: { ...cause?.details, ...details },
    cause,
  });
}
