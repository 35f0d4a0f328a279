import { GridError } from '@commongrid/base';
import { canonicalBytes, PublicKey } from '@commongrid/crypto';
import type { Domain, SigningKey } from '@commongrid/crypto';
import type { FlistErrorCode } from '../errors.ts';
import type { FlistDigest } from './flist.ts';

/** What a publisher says of an image, as it is kept and sent: `grid.flist.signature.1`. */
export interface FlistSignature {
  readonly schema: 'grid.flist.signature.1';
  readonly digest: FlistDigest;
  /** The publisher's, `ed25519:...`. */
  readonly key: string;
  /** When it was signed, milliseconds since 1970, as the publisher says. */
  readonly atMs: number;
  /** 64 bytes in base64url without padding. */
  readonly signature: string;
}

const schema = 'grid.flist.signature.1';
const domain: Domain = 'commongrid/flist/1';
const alphabet = { alphabet: 'base64url', omitPadding: true } as const;

export function signFlist(key: SigningKey, digest: FlistDigest, atMs: number): FlistSignature {
  const signed = { digest, key: key.publicKey.text, atMs };
  const signature = key.sign(domain, canonicalBytes(signed)).toBase64(alphabet);
  return { schema, ...signed, signature };
}

/**
 * Whose signature of the image it is. That the key is one to trust is for the caller to say.
 * @param json what somebody sent, parsed
 * @throws FLIST_SIGNATURE_INVALID
 */
export function verifyFlistSignature(json: unknown, digest: FlistDigest): PublicKey {
  if (!isSignature(json)) throw invalid('this is no signature of an image');
  const { schema: _, signature, ...signed } = json;
  if (json.digest !== digest) throw invalid(`this signature is of ${json.digest}, not ${digest}`);
  const key = keyOf(json.key);
  const bytes = Uint8Array.fromBase64(signature, alphabet);
  // One text for each signature: stray bits in the last character are refused, too.
  const isExact = bytes.toBase64(alphabet) === signature;
  if (isExact && key.verify(domain, canonicalBytes(signed), bytes)) return key;
  throw invalid(`${json.key} did not sign this image so`);
}

const fields = ['atMs', 'digest', 'key', 'schema', 'signature'];

function isSignature(json: unknown): json is FlistSignature {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return false;
  const { schema: name, digest, key, atMs, signature } = json as Record<string, unknown>;
  const isWhole = Object.keys(json).toSorted().join() === fields.join();
  return (
    isWhole &&
    name === schema &&
    typeof digest === 'string' &&
    /^[0-9a-f]{64}$/.test(digest) &&
    typeof key === 'string' &&
    Number.isSafeInteger(atMs) &&
    typeof signature === 'string' &&
    /^[A-Za-z0-9_-]{86}$/.test(signature)
  );
}

function keyOf(text: string): PublicKey {
  try {
    return PublicKey.fromText(text);
  } catch (error) {
    throw invalid('its key is none', error);
  }
}

function invalid(message: string, cause?: unknown): GridError<FlistErrorCode> {
  return new GridError('FLIST_SIGNATURE_INVALID', message, {
    hint: 'do not trust the image for it',
    cause,
  });
}
