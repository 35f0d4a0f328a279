import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deriveKey } from './derive-key.ts';
import type { Domain } from './domain.ts';

test('deriveKey is HKDF-SHA256 with the domain as info', () => {
  // Computed by RFC 5869's two steps with HMAC alone: T(1) of info = the domain.
  const key = deriveKey(new Uint8Array(32).fill(1), 'commongrid/seal/1');
  assert.equal(key.toHex(), 'd2e5d7e9c8dcada78b840848be1a7b992b7c61697a744d4d12dc77733a220b60');
});

test('deriveKey gives unrelated keys for other domains and other secrets', () => {
  const secrets = [new Uint8Array(32), new Uint8Array(32).fill(1)];
  const domains: Domain[] = ['commongrid/a/1', 'commongrid/a/2', 'commongrid/b/1'];
  const keys = secrets.flatMap((secret) => domains.map((domain) => deriveKey(secret, domain)));
  assert.equal(new Set(keys.map((key) => key.toHex())).size, 6);
  assert.throws(() => deriveKey(new Uint8Array(32), 'commongrid/x'), {
    code: 'CRYPTO_DOMAIN_INVALID',
  });
});
