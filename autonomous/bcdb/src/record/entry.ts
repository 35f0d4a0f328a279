import { GridError } from '@commongrid/base/browser';
import type { Domain } from '@commongrid/crypto/browser';
import type { BcdbErrorCode } from '../errors.ts';
import { envelopeBytesMax } from './envelope.ts';

/**
 * One record as the log keeps it. The tree commits to `leaf`; `body` can be erased and the tree
 * stays as it is.
 */
export interface Entry {
  /** Envelope text (ASCII), then the 64 bytes of its signature. */
  readonly leaf: Uint8Array;
  /** 16 bytes of salt, then the payload; undefined where there is none, or it was erased. */
  readonly body: Uint8Array | undefined;
}

/** What the signature of an envelope is for. */
export const recordDomain: Domain = 'commongrid/rec/1';

export const saltBytes = 16;

/** Largest payload of a record, bytes. */
export const payloadBytesMax = 1 << 20;

const signatureBytes = 64;

/** Longest leaf: the longest envelope and its signature, bytes. */
export const leafBytesMax = envelopeBytesMax + signatureBytes;

/** Puts an envelope and its signature together. */
export function makeLeaf(envelope: Uint8Array, signature: Uint8Array): Uint8Array {
  const leaf = new Uint8Array(envelope.length + signatureBytes);
  leaf.set(envelope);
  leaf.set(signature, envelope.length);
  return leaf;
}

/**
 * The two parts of a leaf, as views of it.
 * @throws BCDB_ENVELOPE_INVALID when it cannot hold both
 */
export function splitLeaf(leaf: Uint8Array): {
  readonly envelope: Uint8Array;
  readonly signature: Uint8Array;
} {
  if (leaf.length <= signatureBytes || leaf.length > leafBytesMax) {
    throw new GridError<BcdbErrorCode>(
      'BCDB_ENVELOPE_INVALID',
      `a record of ${leaf.length} bytes cannot be an envelope and its signature`,
    );
  }
  const end = leaf.length - signatureBytes;
  return { envelope: leaf.subarray(0, end), signature: leaf.subarray(end) };
}

/** Salt and payload as one body. */
export function makeBody(salt: Uint8Array, payload: Uint8Array): Uint8Array {
  const body = new Uint8Array(saltBytes + payload.length);
  body.set(salt);
  body.set(payload, saltBytes);
  return body;
}

/** The payload of a body, as a view of it. */
export function payloadOf(body: Uint8Array): Uint8Array {
  return body.subarray(saltBytes);
}

/** What is hashed for `body` of an envelope: a prefix of its own, the salt, the payload. */
export function bodyPreimage(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(bodyPrefix.length + body.length);
  bytes.set(bodyPrefix);
  bytes.set(body, bodyPrefix.length);
  return bytes;
}

/** What stands ahead of a body when it is hashed. */
export const bodyPrefix: Uint8Array = new TextEncoder().encode('commongrid/body/1\0');
