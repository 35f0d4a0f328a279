import { GridError } from '@commongrid/base/browser';
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
