import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import * as fc from 'fast-check';
import type { Domain } from './domain.ts';
import { PublicKey, rootKeyFromWords, SigningKey } from './signing-key.ts';
import { edgeCases } from './testing/ed25519-edge-cases.ts';
import type { Verdict } from './testing/ed25519-edge-cases.ts';
import { entropyToWords } from './words.ts';

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 });
const domain: Domain = 'commongrid/test/1';

// RFC 8032, section 7.1, tests 1 to 3: seed, public key, message, signature.
const rfc8032 = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
] as const;

test('signing key gives the keys and signatures of RFC 8032', () => {
  for (const [seed, publicKey, message, signature] of rfc8032) {
    const key = SigningKey.fromSeed(hex(seed));
    assert.equal(key.publicKey.bytes.toHex(), publicKey);
    assert.equal(key.signForeign(hex(message)).toHex(), signature);
    assert.ok(key.publicKey.verifyForeign(hex(message), hex(signature)));
    assert.ok(!key.publicKey.verifyForeign(hex(`${message}00`), hex(signature)));
  }
});

test('root key is the Ed25519 key whose seed is the entropy of the words', () => {
  const [seed, publicKey] = rfc8032[0];
  assert.equal(rootKeyFromWords(entropyToWords(hex(seed))).publicKey.bytes.toHex(), publicKey);
});

test('signature covers the domain, a zero byte and the payload', () => {
  const key = SigningKey.generate();
  const signature = key.sign(domain, utf8('payload'));
  const bare = SigningKey.fromSeed(key.exportSeed());
  assert.deepEqual(bare.sign(domain, utf8('payload')), signature);
  assert.throws(() => key.publicKey.verifyForeign(utf8(`${domain}\0payload`), signature), {
    code: 'CRYPTO_MESSAGE_PREFIXED',
  });
  assert.ok(!key.publicKey.verify('commongrid/test/2', utf8('payload'), signature));
  assert.ok(!key.publicKey.verify('commongrid/test/11', utf8('payload'), signature));
});

test('signForeign refuses every message that a domain could have made', () => {
  const key = SigningKey.generate();
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9-]{1,40}$/), fc.uint8Array(), (name, payload) => {
      const message = Buffer.concat([utf8(`commongrid/${name}/1\0`), payload]);
      assert.throws(() => key.signForeign(message), { code: 'CRYPTO_MESSAGE_PREFIXED' });
    }),
  );
  for (const text of ['commongrid/rec/1', 'commongrid/log\n12\n', 'other\0', '']) {
    assert.ok(key.publicKey.verifyForeign(utf8(text), key.signForeign(utf8(text))));
  }
});

test('signature of any payload verifies and fails after any change of one bit', () => {
  fc.assert(
    fc.property(seeds, fc.uint8Array({ maxLength: 40 }), fc.nat(), (seed, payload, place) => {
      const { publicKey, signature } = signedBy(seed, payload);
      assert.ok(publicKey.verify(domain, payload, signature));
      assert.ok(!publicKey.verify(domain, payload, flipped(signature, place)));
      if (payload.length > 0) {
        assert.ok(!publicKey.verify(domain, flipped(payload, place), signature));
      }
    }),
  );
});

test('signature fails after a change of each single one of its 512 bits', () => {
  const { publicKey, signature } = signedBy(new Uint8Array(32), utf8('x'));
  for (let place = 0; place < 512; place++) {
    assert.ok(!publicKey.verify(domain, utf8('x'), flipped(signature, place)), `bit ${place}`);
  }
});

test('signature of the wrong length is false, not an error', () => {
  const { publicKey, signature } = signedBy(new Uint8Array(32), utf8('x'));
  for (const wrong of [new Uint8Array(), signature.subarray(1), Buffer.alloc(65)]) {
    assert.equal(publicKey.verify(domain, utf8('x'), wrong), false);
  }
});

test('signature with S + L instead of S is refused', () => {
  const { publicKey, signature } = signedBy(new Uint8Array(32), utf8('x'));
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const s = BigInt(`0x${signature.subarray(32).toReversed().toHex()}`);
  const raised = hex((s + order).toString(16).padStart(64, '0')).toReversed();
  const malleated = Buffer.concat([signature.subarray(0, 32), raised]);
  assert.equal(publicKey.verify(domain, utf8('x'), malleated), false);
});

test('public key refuses every encoding of a point of small order', () => {
  const small = [
    '0100000000000000000000000000000000000000000000000000000000000000',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    '0000000000000000000000000000000000000000000000000000000000000000',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    // The same points with y + p instead of y.
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ];
  for (const encoded of small) {
    const bytes = hex(encoded);
    const signBitSet = bytes.with(31, (bytes[31] ?? 0) | 0x80);
    for (const point of [bytes, signBitSet]) {
      assert.throws(() => PublicKey.fromBytes(point), { code: 'CRYPTO_KEY_INVALID' }, encoded);
    }
  }
});

test('public key refuses y of p and above, which is a second encoding', () => {
  for (let low = 0xed; low <= 0xff; low++) {
    const bytes = new Uint8Array(32).fill(0xff).with(0, low).with(31, 0x7f);
    assert.throws(() => PublicKey.fromBytes(bytes), { code: 'CRYPTO_KEY_INVALID' });
  }
});

test('verification decides each edge case as documented', () => {
  for (const { name, publicKey, message, signature, verdict } of edgeCases()) {
    assert.equal(verdictOf(publicKey, message, signature), verdict, name);
  }
});

test('public key text round-trips and has one spelling', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const key = SigningKey.fromSeed(seed).publicKey;
      assert.match(key.text, /^ed25519:[A-Za-z0-9_-]{43}$/);
      assert.ok(PublicKey.fromText(key.text).equals(key));
      assert.equal(JSON.stringify({ key }), `{"key":"${key.text}"}`);
    }),
  );
  const { text } = SigningKey.fromSeed(new Uint8Array(32)).publicKey;
  const last = text.at(-1) ?? '';
  // 43 characters carry 258 bits: the last two must be zero.
  const stray = String.fromCharCode(last.charCodeAt(0) + 1);
  for (const wrong of [`${text}=`, text.slice(8), `x25519:${text.slice(8)}`, ` ${text}`, '']) {
    assert.throws(() => PublicKey.fromText(wrong), { code: 'CRYPTO_KEY_INVALID' }, wrong);
  }
  assert.throws(() => PublicKey.fromText(text.slice(0, -1) + stray), {
    code: 'CRYPTO_KEY_INVALID',
  });
});

test('keys of the wrong length are refused', () => {
  for (const length of [0, 31, 33, 64]) {
    const bytes = new Uint8Array(length).fill(9);
    assert.throws(() => PublicKey.fromBytes(bytes), { code: 'CRYPTO_KEY_INVALID' });
    assert.throws(() => SigningKey.fromSeed(bytes), { code: 'CRYPTO_KEY_INVALID' });
  }
});

test('signing key shows no secret when it is printed', () => {
  const key = SigningKey.generate();
  const secret = Buffer.from(key.exportSeed());
  for (const shown of [inspect(key, { depth: 9, showHidden: true }), JSON.stringify(key)]) {
    for (const encoding of ['hex', 'base64', 'base64url'] as const) {
      assert.ok(!shown.includes(secret.toString(encoding)));
    }
  }
});

test('derived signing keys differ from the root and from each other', () => {
  const secret = new Uint8Array(32).fill(7);
  const keys = [
    SigningKey.fromSeed(secret),
    SigningKey.derive(secret, 'commongrid/device/1'),
    SigningKey.derive(secret, 'commongrid/device/2'),
    SigningKey.generate(),
  ];
  assert.equal(new Set(keys.map((key) => key.publicKey.text)).size, 4);
});

function signedBy(
  seed: Uint8Array,
  payload: Uint8Array,
): { publicKey: PublicKey; signature: Uint8Array } {
  const key = SigningKey.fromSeed(seed);
  return { publicKey: key.publicKey, signature: key.sign(domain, payload) };
}

function flipped(bytes: Uint8Array, place: number): Uint8Array {
  const index = Math.floor(place / 8) % bytes.length;
  return bytes.with(index, (bytes[index] ?? 0) ^ (1 << (place % 8)));
}

function verdictOf(bytes: Uint8Array, message: Uint8Array, signature: Uint8Array): Verdict {
  let key: PublicKey;
  try {
    key = PublicKey.fromBytes(bytes);
  } catch {
    return 'key refused';
  }
  return key.verifyForeign(message, signature) ? 'accepted' : 'refused';
}
