import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import * as fc from 'fast-check';
import {
  boxFromText,
  boxOverheadBytes,
  boxToText,
  maxPlaintextBytes,
  openBox,
  sealBox,
} from './sealed-box.ts';
import { SealingKey, SealingPublicKey } from './sealing-key.ts';

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const info = utf8('commongrid/test/1');

test('box of the RFC 9180 vectors opens', async () => {
  // The CFRG's test-vectors.json for RFC 9180: mode 0, kem 0x0020, kdf 0x0001, aead 0x0002,
  // encryption 0. (Appendix A of the RFC prints the same KEM with other AEADs.)
  const key = SealingKey.fromBytes(
    hex('497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d'),
  );
  assert.equal(
    key.publicKey.bytes.toHex(),
    '430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c',
  );
  const box = hex(
    '01' +
      '6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256' +
      'e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be99319' +
      '80a41de125a925cdad859d5b7a',
  );
  const plaintext = await openBox(key, box, {
    info: utf8('Ode on a Grecian Urn'),
    aad: utf8('Count-0'),
  });
  assert.equal(new TextDecoder().decode(plaintext), 'Beauty is truth, truth beauty');
});

test('box opens with its key, info and aad, and is longer by its overhead', async () => {
  const key = SealingKey.generate();
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array(),
      fc.uint8Array(),
      fc.uint8Array(),
      async (plaintext, aad, extra) => {
        const options = { info: extra, aad };
        const box = await sealBox(key.publicKey, plaintext, options);
        assert.equal(box.length, plaintext.length + boxOverheadBytes);
        assert.deepEqual(await openBox(key, box, options), plaintext);
        assert.deepEqual(boxFromText(boxToText(box)), new Uint8Array(box));
      },
    ),
    { numRuns: 20 },
  );
});

test('box does not open with another key, info or aad', async () => {
  const key = SealingKey.generate();
  const box = await sealBox(key.publicKey, utf8('secret'), { info, aad: utf8('a') });
  const failed = { code: 'CRYPTO_BOX_UNOPENED' };
  const other = SealingKey.generate();
  await assert.rejects(openBox(other, box, { info, aad: utf8('a') }), failed);
  await assert.rejects(openBox(key, box, { info, aad: utf8('b') }), failed);
  await assert.rejects(openBox(key, box, { info }), failed);
  await assert.rejects(openBox(key, box, { info: utf8('x'), aad: utf8('a') }), failed);
});

test('box does not open after a change of any one byte', async () => {
  const key = SealingKey.generate();
  const box = await sealBox(key.publicKey, utf8('secret'), { info });
  for (let index = 0; index < box.length; index++) {
    const altered = box.with(index, (box[index] ?? 0) ^ 1);
    const code = index === 0 ? 'CRYPTO_BOX_INVALID' : 'CRYPTO_BOX_UNOPENED';
    await assert.rejects(openBox(key, altered, { info }), { code }, `byte ${index}`);
  }
  await assert.rejects(openBox(key, box.subarray(0, -1), { info }), {
    code: 'CRYPTO_BOX_UNOPENED',
  });
});

test('box that is too short, of another version or too large is refused', async () => {
  const key = SealingKey.generate();
  const cases: [Uint8Array, string][] = [
    [new Uint8Array(), 'CRYPTO_BOX_INVALID'],
    [new Uint8Array(boxOverheadBytes - 1).fill(1), 'CRYPTO_BOX_INVALID'],
    [new Uint8Array(boxOverheadBytes).fill(2), 'CRYPTO_BOX_INVALID'],
    [new Uint8Array(boxOverheadBytes + maxPlaintextBytes + 1).fill(1), 'CRYPTO_TOO_LARGE'],
  ];
  for (const [box, code] of cases) await assert.rejects(openBox(key, box, { info }), { code });
  const large = new Uint8Array(maxPlaintextBytes + 1);
  await assert.rejects(sealBox(key.publicKey, large, { info }), { code: 'CRYPTO_TOO_LARGE' });
});

test('nothing is sealed to a key of small order', async () => {
  for (const first of [0, 1]) {
    const key = SealingPublicKey.fromBytes(new Uint8Array(32).with(0, first));
    await assert.rejects(sealBox(key, utf8('x'), { info }), { code: 'CRYPTO_KEY_INVALID' });
  }
});

test('box text has one spelling', () => {
  for (const text of ['AQ==', 'A', 'AR', 'A+/A', 'A A']) {
    assert.throws(() => boxFromText(text), { code: 'CRYPTO_BOX_INVALID' }, text);
  }
  assert.deepEqual([...boxFromText('AQ')], [1]);
});

test('sealing keys are derived from a secret and have a text form', () => {
  const secret = new Uint8Array(32).fill(7);
  const key = SealingKey.derive(secret);
  assert.equal(key.publicKey.text, SealingKey.derive(secret).publicKey.text);
  assert.notEqual(key.publicKey.text, SealingKey.fromBytes(secret).publicKey.text);
  assert.notEqual(key.publicKey.text, SealingKey.derive(secret, 'commongrid/x/1').publicKey.text);
  assert.match(key.publicKey.text, /^x25519:[A-Za-z0-9_-]{43}$/);
  assert.deepEqual(SealingPublicKey.fromText(key.publicKey.text).bytes, key.publicKey.bytes);
  assert.equal(JSON.stringify(key.publicKey), `"${key.publicKey.text}"`);
  for (const wrong of ['', 'ed25519:', key.publicKey.text.replace('x25519', 'ed25519')]) {
    assert.throws(() => SealingPublicKey.fromText(wrong), { code: 'CRYPTO_KEY_INVALID' });
  }
  for (const bytes of [new Uint8Array(31), new Uint8Array(33)]) {
    assert.throws(() => SealingKey.fromBytes(bytes), { code: 'CRYPTO_KEY_INVALID' });
    assert.throws(() => SealingPublicKey.fromBytes(bytes), { code: 'CRYPTO_KEY_INVALID' });
  }
});

test('sealing key shows no secret when it is printed', () => {
  const key = SealingKey.generate();
  const secret = Buffer.from(key.exportBytes());
  for (const shown of [inspect(key, { depth: 9, showHidden: true }), JSON.stringify(key)]) {
    for (const encoding of ['hex', 'base64', 'base64url'] as const) {
      assert.ok(!shown.includes(secret.toString(encoding)));
    }
  }
});
