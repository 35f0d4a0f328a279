import { hkdfSync } from 'node:crypto';
import { assertDomain } from './domain.ts';
import type { Domain } from './domain.ts';

/**
 * Another secret for another purpose: HKDF-SHA256 (RFC 5869) with no salt and the domain as info,
 * 32 bytes. Who knows one derived secret learns nothing of the others.
 */
export function deriveKey(secret: Uint8Array, domain: Domain): Uint8Array {
  assertDomain(domain);
  return new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(), domain, 32));
}
