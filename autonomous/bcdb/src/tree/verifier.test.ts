import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { SigningKey } from '@commongrid/crypto';
import { signRecord } from '../record/author.ts';
import type { Entry } from '../record/entry.ts';
import { toBase64url } from './base64.ts';
import { browserPrimitives } from './browser-primitives.ts';
import { verifyBy, verifyCheckpoint } from './browser-verifier.ts';
import { CheckpointSigner } from './checkpoint-signer.ts';
import { treeHasher } from './node-hasher.ts';
import { nodePrimitives } from './node-primitives.ts';
import { consistencyProof, inclusionProof, rootAt } from './proof.ts';
import { encodeProof } from './record-proof.ts';
import type { RecordProof } from './record-proof.ts';
import { parseNote, formatNote } from './signed-note.ts';
import { naiveReader } from './testing/naive-tree.ts';
import { Verifier } from './verifier.ts';
import type { Trust } from './verifier.ts';

const verifiers = [new Verifier(nodePrimitives), new Verifier(browserPrimitives)];
const log = hash('sha256', 'a log', 'base64url');
const otherLog = hash('sha256', 'another log', 'base64url');
const sequencer = SigningKey.fromSeed(new Uint8Array(32).fill(1));
const author = SigningKey.fromSeed(new Uint8Array(32).fill(2));
const signer = new CheckpointSigner(sequencer, log);
const trust: Trust = { log, sequencerKey: sequencer.publicKey.text };

const entries = Array.from({ length: 11 }, (_, index) => recordOf(index + 1));
const reader = naiveReader(entries.map(({ leaf }) => treeHasher.leafHash(leaf)));
const head = { size: 11, root: rootAt(reader, 11) };
const now = 1_800_000_000;
const seq = 6;
const proof = proofOf(signer.signAt(head, now));

test('proof of a record gives the record, its place and the head', () => {
  for (const verifier of verifiers) {
    const record = verifier.verifyRecordProof(JSON.parse(JSON.stringify(proof)), trust);
    assert.equal(record.seq, seq);
    assert.equal(record.envelope.author, author.publicKey.text);
    assert.equal(record.envelope.n, seq + 1);
    assert.equal(record.version, toBase64url(treeHasher.leafHash(entryAt(seq).leaf)));
    assert.equal(new TextDecoder().decode(record.payload), '{"n":7}');
    assert.deepEqual(record.head, { size: 11, root: toBase64url(head.root), timestamp: now });
  }
});

test('the door of clients verifies by what it was told to', () => {
  let calls = 0;
  verifyBy({
    ...nodePrimitives,
    verifyForeign: (...parts) => {
      calls++;
      return nodePrimitives.verifyForeign(...parts);
    },
  });
  try {
    assert.equal(verifyCheckpoint(signer.sign(head), trust).size, 11);
    assert.equal(calls, 1);
  } finally {
    verifyBy(browserPrimitives);
  }
});

test('proof without a body and without a time is good, and has neither', () => {
  const { body: _, ...bare } = proofOf(signer.sign(head));
  for (const verifier of verifiers) {
    const record = verifier.verifyRecordProof(bare, trust);
    assert.equal(record.payload, undefined);
    assert.ok(!('timestamp' in record.head));
  }
});

test('every part of a proof is held to what it must be, and the error names it', () => {
  const stranger = SigningKey.fromSeed(new Uint8Array(32).fill(3));
  const elsewhere = new CheckpointSigner(sequencer, otherLog).sign(head);
  const forged = new CheckpointSigner(stranger, log).sign(head);
  const smaller = signer.sign({ size: 6, root: rootAt(reader, 6) });
  const grown = signer.sign({ size: 11, root: new Uint8Array(32) });
  const other = encodeEntry(entryAt(5));
  const ofOtherLog = encodeEntry(recordOf(7, otherLog));
  const changes: [Partial<Record<keyof RecordProof, unknown>>, string, string?][] = [
    [{ schema: 'grid.bcdb.proof.2' }, 'BCDB_PROOF_INVALID', 'schema'],
    [{ log: otherLog }, 'BCDB_OTHER_LOG'],
    [{ log: 1 }, 'BCDB_PROOF_INVALID', 'log'],
    [{ checkpoint: undefined }, 'BCDB_PROOF_INVALID', 'checkpoint'],
    [{ checkpoint: '' }, 'BCDB_NOTE_INVALID'],
    [{ checkpoint: elsewhere }, 'BCDB_OTHER_LOG'],
    [{ checkpoint: forged }, 'BCDB_CHECKPOINT_UNSIGNED'],
    [{ checkpoint: smaller }, 'BCDB_PROOF_INVALID', 'path'],
    [{ checkpoint: grown }, 'BCDB_PROOF_INVALID', 'path'],
    [{ seq: 5 }, 'BCDB_PROOF_INVALID', 'path'],
    [{ seq: 11 }, 'BCDB_PROOF_INVALID', 'path'],
    [{ seq: -1 }, 'BCDB_PROOF_INVALID', 'path'],
    [{ seq: 6.5 }, 'BCDB_PROOF_INVALID', 'seq'],
    [{ seq: '6' }, 'BCDB_PROOF_INVALID', 'seq'],
    [{ leaf: other.leaf, body: other.body }, 'BCDB_PROOF_INVALID', 'path'],
    [{ leaf: ofOtherLog.leaf, body: ofOtherLog.body }, 'BCDB_OTHER_LOG'],
    [{ leaf: '' }, 'BCDB_ENVELOPE_INVALID'],
    [{ leaf: 'A'.repeat(3000) }, 'BCDB_PROOF_INVALID', 'leaf'],
    [{ leaf: `${proof.leaf}=` }, 'BCDB_PROOF_INVALID', 'leaf'],
    [{ body: other.body }, 'BCDB_BODY_MISMATCH'],
    [{ body: '' }, 'BCDB_BODY_MISMATCH'],
    [{ body: 5 }, 'BCDB_PROOF_INVALID', 'body'],
    [{ path: [] }, 'BCDB_PROOF_INVALID', 'path'],
    [{ path: proof.path.toReversed() }, 'BCDB_PROOF_INVALID', 'path'],
    [{ path: [...proof.path, proof.path[0]] }, 'BCDB_PROOF_INVALID', 'path'],
    [{ path: ['AA', ...proof.path.slice(1)] }, 'BCDB_PROOF_INVALID', 'path'],
    [{ path: [7] }, 'BCDB_PROOF_INVALID', 'path'],
    [{ path: {} }, 'BCDB_PROOF_INVALID', 'path'],
    [{ path: Array.from({ length: 65 }, () => proof.path[0]) }, 'BCDB_PROOF_INVALID', 'path'],
  ];
  for (const [change, code, reason] of changes) {
    for (const verifier of verifiers) {
      const expected = reason === undefined ? { code } : { code, details: { reason } };
      const changed = { ...proof, ...change };
      assert.throws(() => verifier.verifyRecordProof(changed, trust), expected, code);
    }
  }
  for (const nothing of [undefined, null, 'x', 7, []]) {
    assert.throws(() => verifiers[0]?.verifyRecordProof(nothing, trust), {
      code: 'BCDB_PROOF_INVALID',
    });
  }
});

test('envelope with any bit of it or of its signature changed is refused', () => {
  const { leaf, body } = entryAt(0);
  const [verifier] = verifiers;
  assert.equal(verifier?.verifyEnvelope({ leaf, body }, trust).envelope.n, 1);
  for (let index = 0; index < leaf.length; index += 3) {
    const changed = leaf.with(index, (leaf[index] ?? 0) ^ (1 << (index & 7)));
    assert.throws(
      () => verifier?.verifyEnvelope({ leaf: changed, body }, trust),
      ({ code }: { readonly code: string }) =>
        ['BCDB_ENVELOPE_INVALID', 'BCDB_SIGNATURE_INVALID', 'BCDB_OTHER_LOG'].includes(code),
    );
  }
});

test('envelope that has a body it must not have, or lacks one, is refused', () => {
  const deletion = signRecord(
    author,
    { ns: 'grid', op: 'del', url: 'a.b.1', obj: 'x', prev: log },
    { log, n: 1, t: 0 },
  );
  const withBody = { leaf: deletion.leaf, body: new Uint8Array(20) };
  for (const verifier of verifiers) {
    assert.equal(verifier.verifyEnvelope(deletion, trust).envelope.op, 'del');
    assert.throws(() => verifier.verifyEnvelope(withBody, trust), { code: 'BCDB_BODY_MISMATCH' });
  }
});

test('checkpoint is good with the signatures of others, and not without that of the sequencer', () => {
  const stranger = SigningKey.fromSeed(new Uint8Array(32).fill(3));
  const own = parseNote(signer.signAt(head, now));
  const [plain, timed] = own.signatures;
  const others = parseNote(new CheckpointSigner(stranger, log).signAt(head, now + 9)).signatures;
  assert.ok(plain !== undefined && timed !== undefined);
  const spoiled = { ...plain, signature: plain.signature.with(0, (plain.signature[0] ?? 0) ^ 1) };
  const later = { ...timed, signature: timed.signature.with(7, (timed.signature[7] ?? 0) ^ 1) };
  for (const verifier of verifiers) {
    const verify = (signatures: typeof own.signatures): number | undefined =>
      verifier.verifyCheckpoint(formatNote({ text: own.text, signatures }), trust).timestamp;
    assert.equal(verify([...others, plain, timed]), now);
    assert.equal(verify([plain, ...others]), undefined);
    for (const wrong of [others, [timed], [spoiled], [plain, spoiled], [plain, later]]) {
      assert.throws(() => verify(wrong), { code: 'BCDB_CHECKPOINT_UNSIGNED' });
    }
    const text = own.text.replace('\n11\n', '\n12\n');
    assert.throws(() => verifier.verifyCheckpoint(formatNote({ ...own, text }), trust), {
      code: 'BCDB_CHECKPOINT_UNSIGNED',
    });
  }
});

test('consistency of two heads is shown by its path alone', () => {
  const older = { size: 5, root: toBase64url(rootAt(reader, 5)) };
  const newer = { size: 11, root: toBase64url(head.root) };
  const path = consistencyProof(reader, 5, 11).map(toBase64url);
  for (const verifier of verifiers) {
    verifier.verifyConsistency(older, newer, path);
    const wrong = [
      () => verifier.verifyConsistency(newer, older, path),
      () => verifier.verifyConsistency({ ...older, root: newer.root }, newer, path),
      () => verifier.verifyConsistency({ ...older, root: 'x' }, newer, path),
      () => verifier.verifyConsistency({ ...older, size: 6 }, newer, path),
      () => verifier.verifyConsistency(older, newer, path.slice(1)),
      () => verifier.verifyConsistency(older, newer, ['x']),
    ];
    for (const verify of wrong) {
      assert.throws(verify, { code: 'BCDB_PROOF_INVALID', details: { reason: 'path' } });
    }
  }
});

function recordOf(n: number, ofLog = log): Entry {
  const payload = new TextEncoder().encode(`{"n":${n}}`);
  const statement = { ns: 'grid', op: 'put', url: 'a.b.1', obj: `x${n}`, payload } as const;
  return signRecord(author, statement, { log: ofLog, n, t: 1_700_000_000_000 });
}

function proofOf(checkpoint: string): RecordProof {
  const path = inclusionProof(reader, seq, head.size);
  return encodeProof({ log, checkpoint, seq, path, ...entryAt(seq) });
}

function encodeEntry({ leaf, body }: Entry): { leaf: string; body: string } {
  return { leaf: toBase64url(leaf), body: toBase64url(body ?? new Uint8Array()) };
}

function entryAt(index: number): Entry {
  return entries[index] ?? assert.fail(`no entry ${index}`);
}
