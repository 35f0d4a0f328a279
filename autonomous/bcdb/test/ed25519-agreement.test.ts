import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { PublicKey, SigningKey } from '@commongrid/crypto';
import { isAcceptablePoint, keyToText, verifyForeignSignature } from '@commongrid/crypto/browser';
import { edgeCases } from '@commongrid/crypto/testing';
import type { Verdict } from '@commongrid/crypto/testing';
import * as fc from 'fast-check';

interface Sodium {
  crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, key: Uint8Array): boolean;
}

// It has no types, and no build for some machines.
const sodium = createRequire(import.meta.url)('sodium-native') as Sodium;

type Verify = (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => Verdict;

/** All that verify signatures in some process of the grid. */
const verifiers: readonly (readonly [string, Verify])[] = [
  [
    'node:crypto',
    (key, message, signature) => {
      let parsed: PublicKey;
      try {
        parsed = PublicKey.fromBytes(key);
      } catch {
        return 'key refused';
      }
      return said(parsed.verifyForeign(message, signature));
    },
  ],
  [
    'noble',
    (key, message, signature) => {
      if (!isAcceptablePoint(key)) return 'key refused';
      return said(verifyForeignSignature(keyToText('ed25519', key), message, signature));
    },
  ],
  [
    'libsodium',
    (key, message, signature) => {
      if (!isAcceptablePoint(key)) return 'key refused';
      if (signature.length !== 64 || !isAcceptablePoint(signature.subarray(0, 32))) {
        return 'refused';
      }
      return said(sodium.crypto_sign_verify_detached(signature, message, key));
    },
  ],
];

test('all verifiers of signatures agree on every edge case', () => {
  for (const [name, verify] of verifiers) {
    for (const { name: edge, publicKey, message, signature, verdict } of edgeCases()) {
      assert.equal(verify(publicKey, message, signature), verdict, `${name}: ${edge}`);
    }
  }
});

test('all verifiers of signatures agree whatever bits change', () => {
  const places = fc.uniqueArray(fc.nat(96 * 8 - 1), { maxLength: 3 });
  const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(seeds, fc.uint8Array({ maxLength: 300 }), places, (seed, message, flips) => {
      const signer = SigningKey.fromSeed(seed);
      const bytes = new Uint8Array(96);
      bytes.set(signer.publicKey.bytes);
      bytes.set(signer.signForeign(message), 32);
      for (const bit of flips) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const verdicts = verifiers.map(([, verify]) =>
        verify(bytes.subarray(0, 32), message, bytes.subarray(32)),
      );
      assert.equal(new Set(verdicts).size, 1, verdicts.join());
      assert.equal(verdicts[0] === 'accepted', flips.length === 0);
    }),
  );
});

function said(isGood: boolean): Verdict {
  return isGood ? 'accepted' : 'refused';
}
