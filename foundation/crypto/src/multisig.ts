import { GridError } from '@commongrid/base';
import type { Domain } from './domain.ts';
import type { CryptoErrorCode } from './errors.ts';
import { PublicKey } from './signing-key.ts';

/** `min` of these signers must agree. Signers are ids: key texts, or names of bots. */
export interface Quorum {
  readonly signers: readonly string[];
  readonly min: number;
}

/** Most signers of one quorum. */
export const maxSigners = 256;

/** Most signatures looked at in one call. */
export const maxSignatures = 1024;

export interface QuorumState {
  readonly isMet: boolean;
  /** Signers that agreed, in the order of the quorum. */
  readonly approved: readonly string[];
  /** How many more are needed; 0 when met. */
  readonly missing: number;
}

/**
 * Counts who agreed. A signer counts once however often it is named, strangers do not count, and a
 * signer who stays away is no failure as long as `min` others agree.
 * @throws CRYPTO_QUORUM_INVALID
 */
export function checkQuorum(quorum: Quorum, approvals: Iterable<string>): QuorumState {
  assertQuorum(quorum);
  const named = new Set(approvals);
  const approved = quorum.signers.filter((signer) => named.has(signer));
  const missing = Math.max(0, quorum.min - approved.length);
  return { isMet: missing === 0, approved, missing };
}

/**
 * A quorum that nobody has to meet, or that nobody can, is a mistake or an attack, never a policy.
 * A signer listed twice would have to agree once and count for two.
 * @throws CRYPTO_QUORUM_INVALID
 */
export function assertQuorum(quorum: Quorum): void {
  const { signers, min } = quorum;
  const count = signers.length;
  if (!Number.isSafeInteger(min) || min < 1) throw invalid(`min is ${min}, it must be 1 or more`);
  if (min > count) throw invalid(`min is ${min} of ${count} signers: it can never be met`);
  if (count > maxSigners) throw invalid(`${count} signers, ${maxSigners} at most`);
  if (new Set(signers).size !== count) throw invalid('a signer is listed twice');
}

export interface KeySignature {
  /** Text of an Ed25519 key. */
  readonly key: string;
  readonly signature: Uint8Array;
}

/**
 * Whether enough of the quorum's keys (its signers are key texts) signed `payload` for `domain`.
 * Signatures of strangers and wrong ones do not count and do no harm.
 * @throws CRYPTO_QUORUM_INVALID, CRYPTO_SIGNATURES_TOO_MANY, CRYPTO_KEY_INVALID for a signer that
 * is no key
 */
export function verifyThreshold(
  payload: Uint8Array,
  domain: Domain,
  quorum: Quorum,
  signatures: readonly KeySignature[],
): QuorumState {
  assertQuorum(quorum);
  if (signatures.length > maxSignatures) throw tooMany(signatures.length);
  const keys = new Map(quorum.signers.map((text) => [text, PublicKey.fromText(text)]));
  const approved = new Set<string>();
  for (const { key: text, signature } of signatures) {
    if (approved.has(text)) continue;
    if (keys.get(text)?.verify(domain, payload, signature) === true) approved.add(text);
  }
  return checkQuorum(quorum, approved);
}

function invalid(message: string): GridError<CryptoErrorCode> {
  return new GridError('CRYPTO_QUORUM_INVALID', message);
}

function tooMany(count: number): GridError<CryptoErrorCode> {
  return new GridError(
    'CRYPTO_SIGNATURES_TOO_MANY',
    `${count} signatures, ${maxSignatures} at most`,
  );
}
