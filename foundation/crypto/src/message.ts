import { GridError } from '@commongrid/base/browser';
import { assertDomain } from './domain.ts';
import type { Domain } from './domain.ts';
import type { CryptoErrorCode } from './errors.ts';

/**
 * What is signed: domain (ASCII), one zero byte, payload. A domain holds no zero byte, so the first
 * one ends it, and no two pairs of domain and payload give the same bytes.
 */
export function prefixedMessage(domain: Domain, payload: Uint8Array): Uint8Array {
  assertDomain(domain);
  const prefix = utf8.encode(`${domain}\0`);
  const message = new Uint8Array(prefix.length + payload.length);
  message.set(prefix);
  message.set(payload, prefix.length);
  return message;
}

/**
 * Bytes of another format, as they are, unless they are a prefixed message.
 * @throws CRYPTO_MESSAGE_PREFIXED
 */
export function foreignMessage(message: Uint8Array): Uint8Array {
  const head = String.fromCharCode(...message.subarray(0, 80));
  if (!/^commongrid[^\0]*\0/.test(head)) return message;
  throw new GridError<CryptoErrorCode>(
    'CRYPTO_MESSAGE_PREFIXED',
    'the message starts with a domain of ours',
  );
}

const utf8 = new TextEncoder();
