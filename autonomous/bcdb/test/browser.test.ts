import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { SigningKey } from '@commongrid/crypto';
import { signRecord } from '../src/record/author.ts';
import { toBase64url } from '../src/tree/base64.ts';
import { CheckpointSigner } from '../src/tree/checkpoint-signer.ts';
import { treeHasher } from '../src/tree/node-hasher.ts';
import { encodeProof } from '../src/tree/record-proof.ts';
import type { VerifiedRecord } from '../src/tree/verifier.ts';

const here = import.meta.dirname;
const door = path.join(here, '..', 'src', 'browser.ts');
const log = toBase64url(new Uint8Array(32).fill(5));
const sequencer = SigningKey.fromSeed(new Uint8Array(32).fill(1));
const payload = new TextEncoder().encode('{"is":"é"}');
const entry = signRecord(
  SigningKey.fromSeed(new Uint8Array(32).fill(2)),
  { ns: 'grid', op: 'put', url: 'a.b.1', obj: 'x', payload },
  { log, n: 1, t: 0 },
);
const root = treeHasher.leafHash(entry.leaf);
const checkpoint = new CheckpointSigner(sequencer, log).signAt({ size: 1, root }, 1_800_000_000);
const proof = encodeProof({ log, checkpoint, seq: 0, path: [], ...entry });
const trust = { log, sequencerKey: sequencer.publicKey.text };

test('browser door verifies a record where nothing of Node is there', async () => {
  const { result, modules } = await callInRealm('verifyRecordProof', [proof, trust]);
  const record = result as VerifiedRecord;
  assert.equal(record.envelope.obj, 'x');
  assert.deepEqual(record.head, { size: 1, root: toBase64url(root), timestamp: 1_800_000_000 });
  assert.deepEqual(Object.values(record.payload ?? {}), [...payload]);
  const packages = modules.filter((url) => url.includes('/node_modules/'));
  assert.ok(packages.every((url) => url.includes('/node_modules/@noble/')));
});

test('browser door refuses a record where nothing of Node is there', async () => {
  const changed = { ...proof, seq: 1 };
  await assert.rejects(callInRealm('verifyRecordProof', [changed, trust]), /BCDB_PROOF_INVALID/);
});

async function callInRealm(
  name: string,
  parts: readonly unknown[],
): Promise<{ readonly result: unknown; readonly modules: readonly string[] }> {
  const program = path.join(here, 'support', 'browser-realm.ts');
  const flags = [
    '--experimental-vm-modules',
    '--experimental-import-meta-resolve',
    '--no-warnings',
  ];
  const words = [...flags, program, door, name, JSON.stringify(parts)];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  return JSON.parse(stdout) as { result: unknown; modules: string[] };
}
