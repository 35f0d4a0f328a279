import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { BrowserSigningKey } from './browser-signing-key.ts';
import { SigningKey } from './signing-key.ts';

test('browser signing key signs as the key of the same seed does in Node', () => {
  const seed = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const property = fc.property(seed, fc.uint8Array({ maxLength: 300 }), (bytes, payload) => {
    const [here, there] = [BrowserSigningKey.fromSeed(bytes), SigningKey.fromSeed(bytes)];
    assert.equal(here.publicKey.text, there.publicKey.text);
    const signature = here.sign('commongrid/rec/1', payload);
    assert.deepEqual(new Uint8Array(there.sign('commongrid/rec/1', payload)), signature);
  });
  fc.assert(property, { numRuns: 20 });
});

test('browser signing key is another each time, comes back from its seed, and does not print it', () => {
  const [one, other] = [BrowserSigningKey.generate(), BrowserSigningKey.generate()];
  assert.notEqual(one.publicKey.text, other.publicKey.text);
  const again = BrowserSigningKey.fromSeed(one.exportSeed());
  assert.equal(again.publicKey.text, one.publicKey.text);
  assert.equal(JSON.stringify({ one }), JSON.stringify({ one: one.publicKey.text }));
  assert.throws(() => BrowserSigningKey.fromSeed(new Uint8Array(31)), {
    code: 'CRYPTO_KEY_INVALID',
  });
});
