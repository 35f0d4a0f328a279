import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SigningKey } from '@commongrid/crypto';
import * as fc from 'fast-check';
import { signFlist, verifyFlistSignature } from './flist-signature.ts';
import { flistDigestOf } from './flist.ts';

const key = SigningKey.fromSeed(new Uint8Array(32).fill(5));
const digest = flistDigestOf(Buffer.from('an image'));
const signature = signFlist(key, digest, 1_790_000_000_000);

test('signature of an flist says whose it is, also after it was sent', () => {
  assert.ok(verifyFlistSignature(signature, digest).equals(key.publicKey));
  const sent: unknown = JSON.parse(JSON.stringify(signature));
  assert.equal(verifyFlistSignature(sent, digest).text, key.publicKey.text);
});

test('signature of an flist is good for nothing else', () => {
  const other = flistDigestOf(Buffer.from('another image'));
  const stranger = SigningKey.generate().publicKey.text;
  const wrong: unknown[] = [
    { ...signature, digest: other },
    { ...signature, atMs: signature.atMs + 1 },
    { ...signature, key: stranger },
    { ...signature, key: 'ed25519:no' },
    { ...signature, signature: signature.signature.slice(1) },
    { ...signature, signature: `${signature.signature.slice(0, -1)}_` },
    { ...signature, schema: 'grid.flist.signature.2' },
    { ...signature, more: 1 },
    { ...signature, atMs: '0' },
    { ...signature, atMs: 0.5 },
    undefined,
    null,
    'text',
    [],
    {},
  ];
  for (const json of wrong) {
    assert.throws(() => verifyFlistSignature(json, digest), { code: 'FLIST_SIGNATURE_INVALID' });
  }
  assert.throws(() => verifyFlistSignature(signature, other), { code: 'FLIST_SIGNATURE_INVALID' });
  const forged = { ...signature, digest: other };
  assert.throws(() => verifyFlistSignature(forged, other), { code: 'FLIST_SIGNATURE_INVALID' });
});

test('signature of an flist that is any JSON is refused by its code', () => {
  const part = fc.record(
    {
      schema: fc.constant(signature.schema),
      digest: fc.oneof(fc.constant<unknown>(digest), fc.jsonValue()),
      key: fc.oneof(fc.constant<unknown>(signature.key), fc.jsonValue()),
      atMs: fc.jsonValue(),
      signature: fc.oneof(fc.constant<unknown>(signature.signature), fc.jsonValue()),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(part, fc.jsonValue()), (json) => {
      assert.throws(() => verifyFlistSignature(json, digest), { code: 'FLIST_SIGNATURE_INVALID' });
    }),
  );
});
