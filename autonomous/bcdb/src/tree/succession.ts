import { GridError } from '@commongrid/base/browser';
import type { Quorum } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../errors.ts';
import {
  decodeCertificate,
  handoverBytes,
  handoverDomain,
  invalidHandover,
} from '../record/handover.ts';
import type { HandoverCertificate, HandoverStatement } from '../record/handover.ts';
import { fromBase64url, toBase64url } from './base64.ts';
import type { Primitives } from './primitives.ts';
import type { Trust } from './verifier.ts';

/** Who sequenced a log, one after the other: shown to somebody who has the log's hash. */
export interface Succession {
  readonly schema: 'grid.bcdb.succession.1';
  /** Canonical text of the genesis. */
  readonly genesis: string;
  /** Certificates, in the order of the log. */
  readonly handovers: readonly HandoverCertificate[];
}

/** What a genesis says of those who may sign. */
export interface Founders {
  readonly sequencer: string;
  readonly admins: Quorum;
}

/** Most handovers of one log. */
const handoversMax = 1000;

/**
 * The key whose signature counts on a head of this size. Each handover gives up what the key before
 * signed above it: the next one signs from the handover's own record on.
 */
export function sequencerAt({ sequencerKey, handovers = [] }: Trust, size: number): string {
  return handovers.findLast((handover) => size > handover.size)?.sequencer ?? sequencerKey;
}

/**
 * Whether the log was handed over between two of its heads. Where the newer one does not continue the
 * older, the former key signed two branches, and the admins chose the other one.
 */
export function isHandedOverBetween(trust: Trust, older: number, newer: number): boolean {
  return sequencerAt(trust, older) !== sequencerAt(trust, newer);
}

/** The key that signs the newest heads. */
export function newestSequencer(trust: Trust): string {
  return sequencerAt(trust, Number.POSITIVE_INFINITY);
}

/**
 * Records up to which two histories of one log agree: where the first handover is that only `next`
 * has. Infinity when it has none.
 */
export function partingSize(known: readonly HandoverStatement[], next: Trust): number {
  const keys = new Set(known.map(({ sequencer }) => sequencer));
  const parting = next.handovers?.find(({ sequencer }) => !keys.has(sequencer));
  return parting?.size ?? Number.POSITIVE_INFINITY;
}

/**
 * The trust with the handovers that a succession shows; the same trust where that knows nothing
 * newer. Of two histories that contradict each other the one that was signed later counts: so a
 * handover of a branch that was given up since cannot be played again.
 * @param succession parsed JSON of a `Succession`, from anywhere
 * @throws BCDB_HANDOVER_INVALID, BCDB_HANDOVER_UNSIGNED, BCDB_HANDOVER_KEY_USED, BCDB_OTHER_LOG
 */
export function extendTrust(primitives: Primitives, trust: Trust, succession: unknown): Trust {
  const { genesis, handovers } = decodeSuccession(succession);
  const founders = foundersOf(primitives, genesis, trust.log);
  const statements: HandoverStatement[] = [];
  for (const handover of handovers) {
    requireSuccessor(primitives, { handover, before: statements, founders, log: trust.log });
    statements.push(handover.statement);
  }
  const keys = [founders.sequencer, ...statements.map(({ sequencer }) => sequencer)];
  const known = trust.handovers ?? [];
  if (known.length === 0 && !keys.includes(trust.sequencerKey)) {
    throw invalidHandover('key', 'the sequencer that is trusted is not among those it names');
  }
  const isNewer = (statements.at(-1)?.at ?? 0) > (known.at(-1)?.at ?? 0);
  if (!isNewer) return trust;
  return { log: trust.log, sequencerKey: founders.sequencer, handovers: statements };
}

/**
 * That a certificate may follow others of its log, as far as it says itself. Whether the log had that
 * root is for who has the log.
 * @throws BCDB_HANDOVER_INVALID, BCDB_HANDOVER_UNSIGNED, BCDB_HANDOVER_KEY_USED, BCDB_OTHER_LOG
 */
export function requireSuccessor(
  primitives: Primitives,
  parts: {
    readonly handover: HandoverCertificate;
    readonly before: readonly HandoverStatement[];
    readonly founders: Founders;
    readonly log: string;
  },
): void {
  const { handover, before, founders, log } = parts;
  const { statement } = handover;
  if (statement.log !== log) {
    throw new GridError<BcdbErrorCode>('BCDB_OTHER_LOG', 'this is a handover of another log', {
      details: { expected: log, actual: statement.log },
    });
  }
  const last = before.at(-1);
  const minSize = last === undefined ? 1 : last.size + 1;
  if (statement.size < minSize) {
    throw invalidHandover('order', `one at ${minSize - 1} or above came before`);
  }
  if (statement.at <= (last?.at ?? 0)) {
    throw invalidHandover('order', 'the one before it says that it was made later');
  }
  if (before.length >= handoversMax) {
    throw invalidHandover('count', `a log has ${handoversMax} handovers at most`);
  }
  const used = [founders.sequencer, ...before.map(({ sequencer }) => sequencer)];
  if (used.includes(statement.sequencer)) throw keyUsed(statement.sequencer);
  requireQuorum(primitives, handover, founders.admins);
}

export function keyUsed(key: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_HANDOVER_KEY_USED', `${key} signed in this log before`, {
    hint: 'a handover names a key that was made for it',
    details: { key },
  });
}

/** Each admin counts once, strangers and wrong signatures not at all. */
function requireQuorum(
  primitives: Primitives,
  { statement, signatures }: HandoverCertificate,
  { signers, min }: Quorum,
): void {
  const bytes = handoverBytes(statement);
  const agreed = new Set<string>();
  for (const { key, signature } of signatures) {
    if (!signers.includes(key) || agreed.has(key)) continue;
    const bits = fromBase64url(signature) ?? new Uint8Array();
    if (primitives.verify(key, handoverDomain, bytes, bits)) agreed.add(key);
  }
  if (Number.isSafeInteger(min) && min >= 1 && agreed.size >= min) return;
  throw new GridError<BcdbErrorCode>(
    'BCDB_HANDOVER_UNSIGNED',
    `${agreed.size} of the admins signed this handover, ${min} must`,
    { hint: 'grid bcdb handover sign', details: { signed: [...agreed], min } },
  );
}

function decodeSuccession(value: unknown): Pick<Succession, 'genesis' | 'handovers'> {
  const isObject = typeof value === 'object' && value !== null;
  const { schema, genesis, handovers } = (isObject ? value : {}) as Record<string, unknown>;
  if (schema !== 'grid.bcdb.succession.1' || typeof genesis !== 'string') {
    throw invalidHandover('form', 'it is of no known schema');
  }
  if (!Array.isArray(handovers) || handovers.length > handoversMax) {
    throw invalidHandover('form', `it has no list of at most ${handoversMax} handovers`);
  }
  return { genesis, handovers: handovers.map(decodeCertificate) };
}

/** A text that hashes to the name of the log is its genesis, whoever brings it. */
function foundersOf({ sha256 }: Primitives, text: string, log: string): Founders {
  const actual = toBase64url(sha256(new TextEncoder().encode(text)));
  if (actual === log) return JSON.parse(text) as Founders;
  throw new GridError<BcdbErrorCode>('BCDB_OTHER_LOG', `this genesis is that of log ${actual}`, {
    hint: 'use the address and the join token of the same log',
    details: { expected: log, actual },
  });
}
