import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Domain } from './domain.ts';
import { assertQuorum, checkQuorum, maxSigners, verifyThreshold } from './multisig.ts';
import type { KeySignature } from './multisig.ts';
import { SigningKey } from './signing-key.ts';

const domain: Domain = 'commongrid/approval/1';
const payload = new TextEncoder().encode('the contract');
const keys = [1, 2, 3].map((fill) => SigningKey.fromSeed(new Uint8Array(32).fill(fill)));
const signers = keys.map((key) => key.publicKey.text);
const stranger = SigningKey.fromSeed(new Uint8Array(32).fill(9));

function signed(...by: (SigningKey | undefined)[]): KeySignature[] {
  return by
    .filter((key) => key !== undefined)
    .map((key) => ({ key: key.publicKey.text, signature: key.sign(domain, payload) }));
}

test('quorum counts a signer once and strangers never', () => {
  const quorum = { signers: ['expert', 'legal', 'business'], min: 2 };
  assert.deepEqual(checkQuorum(quorum, []), { isMet: false, approved: [], missing: 2 });
  assert.deepEqual(checkQuorum(quorum, ['legal', 'legal', 'mallory']), {
    isMet: false,
    approved: ['legal'],
    missing: 1,
  });
  assert.deepEqual(checkQuorum(quorum, ['business', 'expert']), {
    isMet: true,
    approved: ['expert', 'business'],
    missing: 0,
  });
  assert.equal(checkQuorum(quorum, quorum.signers).missing, 0);
});

test('quorum that is empty, impossible or double is refused', () => {
  const wrong = [
    { signers: ['a'], min: 0 },
    { signers: ['a'], min: -1 },
    { signers: ['a', 'b'], min: 1.5 },
    { signers: ['a'], min: NaN },
    { signers: ['a'], min: 2 },
    { signers: [], min: 0 },
    { signers: [], min: 1 },
    { signers: ['a', 'a'], min: 1 },
    { signers: Array.from({ length: maxSigners + 1 }, (_, index) => `${index}`), min: 1 },
  ];
  for (const quorum of wrong) {
    assert.throws(() => assertQuorum(quorum), { code: 'CRYPTO_QUORUM_INVALID' });
    assert.throws(() => checkQuorum(quorum, ['a', 'b']), { code: 'CRYPTO_QUORUM_INVALID' });
    assert.throws(() => verifyThreshold(payload, domain, quorum, []), {
      code: 'CRYPTO_QUORUM_INVALID',
    });
  }
});

test('quorum agrees with counting distinct signers for any approvals', () => {
  const names = fc.constantFrom('a', 'b', 'c', 'd', 'x', 'y');
  const quorums = fc
    .uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1 })
    .chain((list) =>
      fc.integer({ min: 1, max: list.length }).map((min) => ({ signers: list, min })),
    );
  fc.assert(
    fc.property(quorums, fc.array(names), (quorum, approvals) => {
      const count = new Set(
        approvals.filter((name) => quorum.signers.some((signer) => signer === name)),
      ).size;
      const state = checkQuorum(quorum, approvals);
      assert.equal(state.isMet, count >= quorum.min);
      assert.equal(state.approved.length, count);
      assert.equal(state.missing, Math.max(0, quorum.min - count));
    }),
  );
});

test('threshold is met by enough keys, whoever stays away', () => {
  const quorum = { signers, min: 2 };
  for (const pair of [
    [0, 1],
    [1, 2],
    [2, 0],
  ] as const) {
    const state = verifyThreshold(payload, domain, quorum, signed(keys[pair[0]], keys[pair[1]]));
    assert.equal(state.isMet, true);
  }
  const one = verifyThreshold(payload, domain, quorum, signed(keys[0], keys[0], stranger));
  assert.deepEqual(one, { isMet: false, approved: [signers[0]], missing: 1 });
});

test('threshold ignores signatures over another payload or domain, or by another key', () => {
  const [first, second] = keys;
  assert.ok(first !== undefined && second !== undefined);
  const { text } = first.publicKey;
  const bad: KeySignature[] = [
    { key: text, signature: first.sign(domain, new Uint8Array()) },
    { key: text, signature: first.sign('commongrid/approval/2', payload) },
    { key: text, signature: second.sign(domain, payload) },
    { key: text, signature: new Uint8Array(64) },
    { key: 'no key', signature: new Uint8Array(64) },
  ];
  const quorum = { signers, min: 1 };
  assert.equal(verifyThreshold(payload, domain, quorum, bad).isMet, false);
  // A wrong signature in a signer's name does not spoil the right one.
  assert.equal(verifyThreshold(payload, domain, quorum, [...bad, ...signed(first)]).isMet, true);
});

test('threshold refuses a flood of signatures and a signer that is no key', () => {
  const [signature] = signed(stranger);
  assert.ok(signature !== undefined);
  const flood = Array<KeySignature>(1025).fill(signature);
  assert.throws(() => verifyThreshold(payload, domain, { signers, min: 1 }, flood), {
    code: 'CRYPTO_SIGNATURES_TOO_MANY',
  });
  assert.throws(() => verifyThreshold(payload, domain, { signers: ['bob'], min: 1 }, []), {
    code: 'CRYPTO_KEY_INVALID',
  });
});
