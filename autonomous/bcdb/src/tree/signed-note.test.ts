import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PublicKey } from '@commongrid/crypto';
import * as fc from 'fast-check';
import { nodePrimitives } from './node-primitives.ts';
import {
  formatNote,
  noteKey,
  noteLengthMax,
  noteSignaturesMax,
  parseNote,
  parseVerifierKey,
  signaturesBy,
  verifierKeyText,
} from './signed-note.ts';

const { sha256 } = nodePrimitives;

// The example of C2SP signed-note, and the one of the Go module golang.org/x/mod/sumdb/note.
const published = [
  {
    verifierKey: 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k',
    note: 'This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n',
  },
  {
    verifierKey: 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    note: "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
  },
] as const;

test('published notes verify under their published keys', () => {
  for (const { verifierKey, note } of published) {
    const key = parseVerifierKey(sha256, verifierKey);
    const parsed = parseNote(note);
    const [only, ...others] = signaturesBy(parsed, key);
    const text = new TextEncoder().encode(parsed.text);
    assert.ok(only !== undefined && others.length === 0);
    assert.ok(PublicKey.fromBytes(key.publicKey).verifyForeign(text, only.signature));
    assert.equal(verifierKeyText(key), verifierKey);
    assert.equal(formatNote(parsed), note);
  }
});

test('note of any text and signatures reads back', () => {
  const texts = fc
    .array(fc.string({ unit: 'grapheme', maxLength: 20 }), { maxLength: 4 })
    .map((lines) => `${lines.join('\n')}x\n`);
  const names = fc.stringMatching(/^[!-*,-~é—𝕏]{1,20}$/u);
  const lines = fc.tuple(
    names,
    fc.nat(0xffff_ffff),
    fc.uint8Array({ minLength: 1, maxLength: 99 }),
  );
  fc.assert(
    fc.property(texts, fc.array(lines, { minLength: 1, maxLength: 5 }), (text, parts) => {
      const signatures = parts.map(([name, keyId, signature]) => ({ name, keyId, signature }));
      assert.deepEqual(parseNote(formatNote({ text, signatures })), { text, signatures });
    }),
  );
});

test('note in any other form is refused', () => {
  const line = '— a AAAAAAA=\n';
  assert.equal(parseNote(`x\n\n${line}`).signatures.length, 1);
  const wrong = [
    '',
    'x\n',
    `x\n${line}`,
    `\n\n${line}`,
    `x\n\n`,
    `x\n\n${line.trimEnd()}`,
    `x\n\n${line}\n`,
    `x\n\n${line}y\n`,
    `x\r\n\r\n${line}`,
    `x\0\n\n${line}`,
    `x\t\n\n${line}`,
    `x\ud800\n\n${line}`,
    'x\n\n- a AAAAAAA=\n',
    'x\n\n—  AAAAAAA=\n',
    'x\n\n— a  AAAAAAA=\n',
    'x\n\n— a+b AAAAAAA=\n',
    'x\n\n— a\u00a0b AAAAAAA=\n',
    'x\n\n— a AAAAAAA= \n',
    'x\n\n— a AAAAAAA\n',
    'x\n\n— a AAAAAAB=\n',
    'x\n\n— a AAAAAA==\n',
    `x\n\n— ${'a'.repeat(256)} AAAAAAA=\n`,
    `x\n\n${line.repeat(noteSignaturesMax + 1)}`,
    `${'x'.repeat(noteLengthMax)}\n\n${line}`,
  ];
  for (const note of wrong) {
    assert.throws(() => parseNote(note), { code: 'BCDB_NOTE_INVALID' }, JSON.stringify(note));
  }
  assert.equal(parseNote(`x\n\n${line.repeat(noteSignaturesMax)}`).signatures.length, 64);
});

test('signatures are found by name and id together', () => {
  const publicKey = new Uint8Array(32).fill(7);
  const key = noteKey(sha256, { name: 'a', type: 1, publicKey });
  const other = noteKey(sha256, { name: 'a', type: 4, publicKey });
  assert.notEqual(key.keyId, other.keyId);
  const signature = new Uint8Array(64);
  const note = {
    text: 'x\n',
    signatures: [
      { name: 'a', keyId: key.keyId, signature },
      { name: 'b', keyId: key.keyId, signature },
      { name: 'a', keyId: other.keyId, signature },
    ],
  };
  assert.deepEqual(signaturesBy(note, key), note.signatures.slice(0, 1));
});

test('verifier key has one spelling', () => {
  const [{ verifierKey }] = published;
  const wrong = [
    '',
    'example.com/foo',
    verifierKey.replace('530d903a', '530d903b'),
    verifierKey.replace('530d903a', '530D903A'),
    verifierKey.replace('example', 'Example'),
    verifierKey.slice(0, -4),
    `${verifierKey}=`,
    `${verifierKey}+`,
    ` ${verifierKey}`,
  ];
  for (const text of wrong) {
    assert.throws(() => parseVerifierKey(sha256, text), { code: 'BCDB_NOTE_INVALID' }, text);
  }
});
