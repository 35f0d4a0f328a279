import { randomBytes } from 'node:crypto';

import { GridError } from '@commongrid/base';
import { canonicalBytes, parseCanonical, PublicKey } from '@commongrid/crypto';
import type { JsonValue, SigningKey } from '@commongrid/crypto';
import type { KeyText, NodeId, WorkloadId } from '@commongrid/model';

import type { NodeErrorCode } from '../errors.ts';

const accessVerbs = ['exec', 'logs', 'restart'] as const;

export type AccessVerb = (typeof accessVerbs)[number];

/** What a token lets its bearer do, once. */
export interface AccessClaim {
  /** Hash of the genesis. */
  readonly log: string;
  readonly node: NodeId;
  readonly workload: WorkloadId;
  readonly revision: number;
  /** `exec`: run any commands in it, `logs`: read what it prints, `restart`: end it and begin it again. */
  readonly verb: AccessVerb;
  /** Milliseconds since 1970: good before that. */
  readonly expMs: number;
  /** 16 random bytes, base64url: no two tokens are the same. */
  readonly nonce: string;
}

/** A token whose signature is right. */
export interface SignedClaim {
  readonly claim: AccessClaim;
  readonly key: KeyText;
}

const accessDomain = 'commongrid/access/1';
/** Longest text that is looked at as a token. */
const tokenBytesMax = 2_048;
const base64url = { alphabet: 'base64url' } as const;

/**
 * A token by a device key of the bot that owns the contract: canonical claim, key and signature,
 * each as base64url, with dots between them.
 */
export function signAccess(key: SigningKey, claim: Omit<AccessClaim, 'nonce'>): string {
  const bytes = canonicalBytes({ ...claim, nonce: randomBytes(16).toString('base64url') });
  const parts = [bytes, key.publicKey.bytes, key.sign(accessDomain, bytes)];
  return parts.map((part) => part.toBase64({ ...base64url, omitPadding: true })).join('.');
}

/** @throws NODE_TOKEN_INVALID */
export function readToken(token: string): SignedClaim {
  const [claim, key, signature, ...rest] = token.length > tokenBytesMax ? [] : token.split('.');
  if (claim === undefined || key === undefined || signature === undefined || rest.length > 0) {
    throw invalidToken('this is no token');
  }
  let signed: SignedClaim | undefined;
  try {
    const bytes = Uint8Array.fromBase64(claim, base64url);
    const publicKey = PublicKey.fromBytes(Uint8Array.fromBase64(key, base64url));
    const isSigned = publicKey.verify(
      accessDomain,
      bytes,
      Uint8Array.fromBase64(signature, base64url),
    );
    const read = isSigned ? claimOf(parseCanonical(bytes)) : undefined;
    signed = read && { claim: read, key: publicKey.text as KeyText };
  } catch (cause) {
    throw invalidToken('this is no token', cause);
  }
  if (signed === undefined) throw invalidToken('the token is not signed as it says');
  return signed;
}

export function invalidToken(message: string, cause?: unknown): GridError<NodeErrorCode> {
  return new GridError('NODE_TOKEN_INVALID', message, { hint: 'sign a new token', cause });
}

/** Members that are missing, too many or of another kind make it none. */
function claimOf(value: JsonValue): AccessClaim | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const claim = value as { readonly [name: string]: JsonValue };
  const { log, node, workload, revision, verb, expMs, nonce } = claim;
  const isWhole =
    Object.keys(claim).length === 7 &&
    [log, node, workload].every((text) => typeof text === 'string') &&
    [revision, expMs].every((number) => Number.isSafeInteger(number)) &&
    accessVerbs.some((one) => one === verb) &&
    typeof nonce === 'string' &&
    /^[A-Za-z0-9_-]{21}[AQgw]$/.test(nonce);
  return isWhole ? (value as unknown as AccessClaim) : undefined;
}
