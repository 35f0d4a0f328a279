import { hash, randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

import { GridError } from '@commongrid/base';
import { canonicalBytes, PublicKey } from '@commongrid/crypto';
import type { Domain, SigningKey } from '@commongrid/crypto';

import type { FlistErrorCode } from '../errors.ts';

/** How far the clock of a client may be from that of the hub. */
export const clockSkewMsMax = 5 * 60_000;

/** What a signature of a request is over. */
export interface SignedRequest {
  /** Which hub it is for: its origin, unless it was given another name. */
  readonly audience: string;
  readonly method: string;
  /** Path and query, as they are sent. */
  readonly target: string;
  /** SHA-256 of the body, hex. */
  readonly bodySha256: string;
}

/** What the headers of a signed request say; nobody has checked the body yet. */
export interface RequestClaim {
  readonly key: PublicKey;
  readonly atMs: number;
  readonly nonce: string;
  readonly bodySha256: string;
}

const domain: Domain = 'commongrid/hub-request/1';
const alphabet = { alphabet: 'base64url', omitPadding: true } as const;

export function sha256Of(body: Uint8Array): string {
  return hash('sha256', body, 'hex');
}

/** The headers that show who asks. They are good for one request. */
export function signRequest(
  key: SigningKey,
  request: SignedRequest,
  atMs: number,
): Record<string, string> {
  const nonce = randomBytes(16).toString('base64url');
  const signed = { ...request, key: key.publicKey.text, atMs, nonce };
  return {
    'grid-key': signed.key,
    'grid-time': String(atMs),
    'grid-nonce': nonce,
    'grid-body': request.bodySha256,
    'grid-signature': key.sign(domain, canonicalBytes(signed)).toBase64(alphabet),
  };
}

/**
 * Reads and verifies the headers of a request. Whether its nonce is new and its body the one that
 * was signed is for the caller to check.
 * @throws HUB_SIGNATURE_NEEDED, HUB_SIGNATURE_REFUSED, HUB_TIME_REFUSED
 */
export function verifyRequest(
  headers: IncomingHttpHeaders,
  request: Omit<SignedRequest, 'bodySha256'>,
  nowMs: number,
): RequestClaim {
  const { audience, method, target } = request;
  if (headers['grid-signature'] === undefined) {
    throw refused('HUB_SIGNATURE_NEEDED', 'this request has to be signed');
  }
  const keyText = field(headers, 'grid-key', /^ed25519:[\w-]{43}$/);
  const atMs = Number(field(headers, 'grid-time', /^[1-9]\d{0,15}$/));
  const nonce = field(headers, 'grid-nonce', /^[\w-]{16,64}$/);
  const bodySha256 = field(headers, 'grid-body', /^[0-9a-f]{64}$/);
  const signature = field(headers, 'grid-signature', /^[\w-]{86}$/);
  if (!(Math.abs(nowMs - atMs) <= clockSkewMsMax)) {
    throw new GridError<FlistErrorCode>(
      'HUB_TIME_REFUSED',
      `the request is of ${dateText(atMs)}, here it is ${dateText(nowMs)}`,
      { hint: 'set the clock', retryable: false, details: { atMs, nowMs } },
    );
  }
  const key = keyOf(keyText);
  const signed = { audience, method, target, bodySha256, key: keyText, atMs, nonce };
  const bytes = Uint8Array.fromBase64(signature, alphabet);
  if (key.verify(domain, canonicalBytes(signed), bytes)) return { key, atMs, nonce, bodySha256 };
  throw refused('HUB_SIGNATURE_REFUSED', `the signature is not by its key for hub ${audience}`);
}

function field(headers: IncomingHttpHeaders, name: string, pattern: RegExp): string {
  const value = headers[name];
  if (typeof value === 'string' && pattern.test(value)) return value;
  throw refused('HUB_SIGNATURE_REFUSED', `header ${name} is missing or malformed`);
}

function keyOf(text: string): PublicKey {
  try {
    return PublicKey.fromText(text);
  } catch (cause) {
    throw refused('HUB_SIGNATURE_REFUSED', 'the key is none', cause);
  }
}

function dateText(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString();
}

function refused(
  code: 'HUB_SIGNATURE_NEEDED' | 'HUB_SIGNATURE_REFUSED',
  message: string,
  cause?: unknown,
): GridError<FlistErrorCode> {
  return new GridError<FlistErrorCode>(code, message, {
    hint: 'sign it with a key that the hub knows, for the address under which it is asked',
    cause,
  });
}
