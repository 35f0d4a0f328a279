import { GridError } from '@commongrid/base';
import { assertDomain } from './domain.ts';
import type { Domain } from './domain.ts';
import type { CryptoErrorCode } from './errors.ts';

/**
 * What is signed: domain (ASCII), one zero byte, payload. A domain holds no zero byte, so the first
 * one ends it, and no two pairs of domain and payload give the same bytes.
 */
export function prefixedMessage(domain: Domain, payload: Uint8Array): Uint8Array {
  assertDomain(domain);
  return Buffer.concat([Buffer.from(`${domain}\0`, 'ascii'), payload]);
}

/**
 * Bytes of another format, as they are, unless they are a prefixed message.
 * @throws CRYPTO_MESSAGE_PREFIXED
 */
export function foreignMessage(message: Uint8Array): Uint8Array {
  const head = Buffer.from(message.subarray(0, 80)).toString('latin1');
  if (!/^commongrid[^\0]*\0/.test(head)) return message;
  throw new GridError<CryptoErrorCode>(
    'CRYPTO_MESSAGE_PREFIXED',
    'the message starts with a domain of ours',
  );
}
