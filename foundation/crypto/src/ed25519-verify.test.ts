import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Domain } from './domain.ts';
import { publicKeyBytes, verifyForeignSignature, verifySignature } from './ed25519-verify.ts';
import { keyToText } from './key-text.ts';
import { PublicKey, SigningKey } from './signing-key.ts';
import { edgeCases } from './testing/ed25519-edge-cases.ts';
import type { Verdict } from './testing/ed25519-edge-cases.ts';

const domain: Domain = 'commongrid/test/1';

test('verifier without Node decides each edge case as documented', () => {
  const seen = new Map<Verdict, number>();
  for (const { name, publicKey, message, signature, verdict } of edgeCases()) {
    assert.equal(verdictOf(publicKey, message, signature), verdict, name);
    seen.set(verdict, (seen.get(verdict) ?? 0) + 1);
  }
  // Both outcomes of mixed order must have come up, or the cases test nothing.
  assert.ok((seen.get('accepted') ?? 0) > 20 && (seen.get('refused') ?? 0) > 100);
});

test('verifier without Node agrees with PublicKey whatever bits change', () => {
  const places = fc.uniqueArray(fc.nat(96 * 8 - 1), { maxLength: 3 });
  const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(seeds, fc.uint8Array({ maxLength: 99 }), places, (seed, message, flips) => {
      const signer = SigningKey.fromSeed(seed);
      const bytes = new Uint8Array(96);
      bytes.set(signer.publicKey.bytes);
      bytes.set(signer.signForeign(message), 32);
      for (const bit of flips) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const [key, signature] = [bytes.subarray(0, 32), bytes.subarray(32)];
      const verdict = verdictOf(key, message, signature);
      assert.equal(verdict, nodeVerdictOf(key, message, signature));
      assert.equal(verdict === 'accepted', flips.length === 0);
    }),
  );
});

test('verifier without Node keeps domains and foreign messages apart', () => {
  const signer = SigningKey.generate();
  const payload = new TextEncoder().encode('payload');
  const signature = signer.sign(domain, payload);
  const { text } = signer.publicKey;
  assert.ok(verifySignature(text, domain, payload, signature));
  assert.ok(!verifySignature(text, 'commongrid/test/2', payload, signature));
  assert.ok(!verifyForeignSignature(text, payload, signature));
  assert.ok(verifyForeignSignature(text, payload, signer.signForeign(payload)));
  const prefixed = new TextEncoder().encode(`${domain}\0payload`);
  assert.throws(() => verifyForeignSignature(text, prefixed, signature), {
    code: 'CRYPTO_MESSAGE_PREFIXED',
  });
});

function verdictOf(bytes: Uint8Array, message: Uint8Array, signature: Uint8Array): Verdict {
  const text = keyToText('ed25519', bytes);
  try {
    publicKeyBytes(text);
  } catch {
    return 'key refused';
  }
  return verifyForeignSignature(text, message, signature) ? 'accepted' : 'refused';
}

function nodeVerdictOf(bytes: Uint8Array, message: Uint8Array, signature: Uint8Array): Verdict {
  let key: PublicKey;
  try {
    key = PublicKey.fromBytes(bytes);
  } catch {
    return 'key refused';
  }
  return key.verifyForeign(message, signature) ? 'accepted' : 'refused';
}
