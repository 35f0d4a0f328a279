import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SigningKey } from '@commongrid/crypto';
import { certificatePayload, decodeCertificate, handoverBytes, signHandover } from './handover.ts';
import type { HandoverStatement } from './handover.ts';

const seeded = (byte: number): SigningKey => SigningKey.fromSeed(new Uint8Array(32).fill(byte));
const hash = (byte: number): string =>
  new Uint8Array(32).fill(byte).toBase64({ alphabet: 'base64url', omitPadding: true });

const statement: HandoverStatement = {
  at: 1_800_000_000_000,
  log: hash(1),
  lost: { root: hash(2), size: 12 },
  root: hash(3),
  sequencer: seeded(4).publicKey.text,
  size: 7,
};

const golden =
  '{"at":1800000000000,"log":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",' +
  '"lost":{"root":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI","size":12},' +
  '"root":"AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM",' +
  '"sequencer":"ed25519:ypOsFwUYcHHWe4PH_w7-gQjo7EUwV113JoeTM9vavnw","size":7}';

const goldenSignature =
  'n6IxHe5yJ6y88-4B0P8YtglAMlChQKLMeTtz8uB8vFllPDEOwdMb3aFwQiCYWIajPOqDYAnUMvZdGE2DRWb5AA';

test('statement and payload of a handover have the bytes that they were released with', () => {
  assert.equal(new TextDecoder().decode(handoverBytes(statement)), golden);
  const certificate = signHandover({ statement, signatures: [] }, seeded(5));
  const payload = new TextDecoder().decode(certificatePayload(certificate));
  const signed = `{"key":"ed25519:bnoc3Smwt4_ROvTFWY_v9O8qlxZuPKby5Pv8zYBQW_E","signature":"${goldenSignature}"}`;
  assert.equal(payload, `{"signatures":[${signed}],"statement":${golden}}`);
  assert.deepEqual(decodeCertificate(JSON.parse(payload)), certificate);
});

test('an admin who signs again replaces the first signature', () => {
  const once = signHandover({ statement, signatures: [] }, seeded(5));
  assert.deepEqual(signHandover(once, seeded(5)), once);
});

test('a certificate in any other form is refused', () => {
  const good = signHandover({ statement, signatures: [] }, seeded(5));
  const [signed] = good.signatures;
  const { lost: _lost, ...planned } = statement;
  assert.equal(decodeCertificate({ ...good, statement: planned }).statement.lost, undefined);
  const wrong: readonly unknown[] = [
    undefined,
    [],
    { statement },
    { ...good, more: 1 },
    { ...good, signatures: {} },
    { ...good, signatures: Array.from({ length: 257 }, () => signed) },
    { ...good, signatures: [{ ...signed, more: 1 }] },
    { ...good, signatures: [{ ...signed, signature: 'AA' }] },
    { ...good, statement: { ...statement, more: 1 } },
    { ...good, statement: { ...statement, size: -1 } },
    { ...good, statement: { ...statement, size: '7' } },
    { ...good, statement: { ...statement, at: 0.5 } },
    { ...good, statement: { ...statement, log: `${hash(1)}=` } },
    { ...good, statement: { ...statement, root: 'x' } },
    { ...good, statement: { ...statement, sequencer: 'x25519:abc' } },
    { ...good, statement: { ...statement, lost: { size: 12 } } },
  ];
  for (const value of wrong) {
    assert.throws(() => decodeCertificate(value), { code: 'BCDB_HANDOVER_INVALID' });
  }
});
