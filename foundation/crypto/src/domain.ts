import { hkdfSync } from 'node:crypto';
import { GridError } from '@commongrid/base';
import type { CryptoErrorCode } from './errors.ts';

/** Longest domain, characters. */
const maxDomainLength = 64;
const domainPattern = /^commongrid(?:\/[a-z0-9-]+)+\/[1-9][0-9]*$/;

/**
 * What a key or a signature is for: `commongrid/rec/1`. Lower case letters, digits and `-` between
 * slashes, a version at the end, 64 characters at most. No zero byte can occur, on which the
 * signature prefix relies.
 */
export type Domain = `commongrid/${string}`;

/** @throws CRYPTO_DOMAIN_INVALID */
export function assertDomain(domain: string): asserts domain is Domain {
  if (domain.length <= maxDomainLength && domainPattern.test(domain)) return;
  throw new GridError<CryptoErrorCode>(
    'CRYPTO_DOMAIN_INVALID',
    `${JSON.stringify(domain)} is no domain`,
    { hint: 'write it as commongrid/name/1', details: { domain } },
  );
}

/**
 * Another secret for another purpose: HKDF-SHA256 (RFC 5869) with no salt and the domain as info,
 * 32 bytes. Who knows one derived secret learns nothing of the others.
 */
export function deriveKey(secret: Uint8Array, domain: Domain): Uint8Array {
  assertDomain(domain);
  return new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(), domain, 32));
}
