import { createHash, randomBytes } from 'node:crypto';
import { equalBytes } from '@commongrid/base';
import type { Request } from '@commongrid/resp';
import { replyTexts } from './reply-texts.ts';
import type { Session } from './session.ts';

/** SHA-1 as 40 hex digits. */
const PROOF_BYTES = 40;

/** Compares in constant time. */
export function isPassword(given: Uint8Array, password: string): boolean {
  return equalBytes(given, Buffer.from(password));
}

/** A nonce for one attempt of this session: 16 hex digits. */
export function newNonce(session: Session): string {
  session.nonce = randomBytes(8).toString('hex');
  return session.nonce;
}

/**
 * Checks argument `i`, sha1hex(nonce ":" password), against the nonce that the session asked for,
 * which is used up. Returns the error, or undefined when the proof is right.
 */
export function refusalOfProof(
  session: Session,
  request: Request,
  i: number,
  password: string,
): string | undefined {
  const { nonce } = session;
  session.nonce = undefined;
  if (nonce === undefined) {
    return 'No CHALLENGE requested, secure authentication not available';
  }
  if (request.lengthOf(i) !== PROOF_BYTES) return 'Invalid hash length';
  const expected = createHash('sha1').update(`${nonce}:${password}`).digest('hex');
  const given = Buffer.from(request.latin1(i).toLowerCase());
  return equalBytes(given, Buffer.from(expected)) ? undefined : replyTexts.accessDenied;
}
