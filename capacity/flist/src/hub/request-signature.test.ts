import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SigningKey } from '@commongrid/crypto';
import { hasCode } from '@commongrid/base/testing';
import fc from 'fast-check';

import { sha256Of, signRequest, verifyRequest } from './request-signature.ts';

const key = SigningKey.fromSeed(Buffer.alloc(32, 7));
const nowMs = 1_700_000_000_000;
const request = {
  audience: 'https://hub.example',
  method: 'PUT',
  target: '/v1/names/alice/app?x=1',
  bodySha256: sha256Of(Buffer.from('body')),
};

test('a signed request says who asks, when, and for which body', () => {
  const claim = verifyRequest(signRequest(key, request, nowMs), request, nowMs + 299_000);
  assert.equal(claim.key.text, key.publicKey.text);
  assert.equal(claim.atMs, nowMs);
  assert.equal(claim.bodySha256, request.bodySha256);
});

test('two signatures of one request have two nonces', () => {
  const [one, two] = [signRequest(key, request, nowMs), signRequest(key, request, nowMs)];
  assert.notEqual(one['grid-nonce'], two['grid-nonce']);
});

test('a request is refused when any of what is signed is another', () => {
  const headers = signRequest(key, request, nowMs);
  const signature = headers['grid-signature'] ?? '';
  for (const other of ['audience', 'method', 'target'] as const) {
    const changed = { ...request, [other]: `${request[other]}x` };
    const verify = (): unknown => verifyRequest(headers, changed, nowMs);
    assert.throws(verify, hasCode('HUB_SIGNATURE_REFUSED'));
  }
  const others = {
    'grid-key': SigningKey.fromSeed(Buffer.alloc(32, 8)).publicKey.text,
    'grid-time': String(nowMs + 1),
    'grid-nonce': 'A'.repeat(22),
    'grid-body': sha256Of(Buffer.from('other')),
    'grid-signature': `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`,
  };
  for (const [name, value] of Object.entries(others)) {
    const verify = (): unknown => verifyRequest({ ...headers, [name]: value }, request, nowMs);
    assert.throws(verify, hasCode('HUB_SIGNATURE_REFUSED'), name);
  }
});

test('a request is refused five minutes before and after its time', () => {
  const headers = signRequest(key, request, nowMs);
  for (const offMs of [-300_001, 300_001]) {
    const verify = (): unknown => verifyRequest(headers, request, nowMs + offMs);
    assert.throws(verify, hasCode('HUB_TIME_REFUSED'));
  }
});

test('headers of any text are refused with a code', () => {
  const headers = signRequest(key, request, nowMs);
  const name = fc.constantFrom(...Object.keys(headers));
  const value = fc.oneof(fc.string({ maxLength: 100 }), fc.constant(undefined));
  const property = fc.property(name, value, (header, text) => {
    fc.pre(text !== headers[header]);
    assert.throws(
      () => verifyRequest({ ...headers, [header]: text }, request, nowMs),
      (error) => error instanceof Error && 'code' in error && String(error.code).startsWith('HUB_'),
    );
  });
  fc.assert(property);
});
