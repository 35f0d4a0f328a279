import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalText, SigningKey } from '@commongrid/crypto';
import type { Genesis } from '../record/genesis.ts';
import { logIdOf } from '../record/genesis.ts';
import { signHandover } from '../record/handover.ts';
import type { HandoverCertificate } from '../record/handover.ts';
import { toBase64url } from './base64.ts';
import { browserPrimitives } from './browser-primitives.ts';
import { CheckpointSigner } from './checkpoint-signer.ts';
import { nodePrimitives } from './node-primitives.ts';
import { newestSequencer, partingSize, sequencerAt } from './succession.ts';
import type { Succession } from './succession.ts';
import { Verifier } from './verifier.ts';
import type { Trust } from './verifier.ts';

const verifiers = [new Verifier(nodePrimitives), new Verifier(browserPrimitives)];
const key = (byte: number): SigningKey => SigningKey.fromSeed(new Uint8Array(32).fill(byte));
const [first, second, third, admin, stranger] = [key(1), key(2), key(3), key(8), key(9)];
const rootOf = (size: number): Uint8Array => new Uint8Array(32).fill(size);

const genesis: Genesis = {
  format: 'bcdb/1',
  nonce: toBase64url(new Uint8Array(32)),
  at: 0,
  sequencer: first.publicKey.text,
  admins: { signers: [admin.publicKey.text], min: 1 },
  releaseKeys: [],
  isOpen: false,
};
const log = toBase64url(logIdOf(genesis));
const founding: Trust = { log, sequencerKey: first.publicKey.text };

function handover(size: number, at: number, next: SigningKey, by = admin): HandoverCertificate {
  const sequencer = next.publicKey.text;
  const statement = { at, log, root: toBase64url(rootOf(size)), sequencer, size };
  return signHandover({ statement, signatures: [] }, by);
}

function succession(...handovers: readonly HandoverCertificate[]): Succession {
  return { schema: 'grid.bcdb.succession.1', genesis: canonicalText(genesis), handovers };
}

function note(signer: SigningKey, size: number): string {
  return new CheckpointSigner(signer, log).sign({ size, root: rootOf(size) });
}

test('after two handovers each key counts in its own range of sizes', () => {
  for (const verifier of verifiers) {
    const shown = JSON.parse(
      JSON.stringify(succession(handover(5, 10, second), handover(9, 20, third))),
    );
    const trust = verifier.extendTrust(founding, shown);
    assert.equal(newestSequencer(trust), third.publicKey.text);
    const good = [
      [first, 5],
      [second, 6],
      [second, 9],
      [third, 10],
    ] as const;
    for (const [signer, size] of good) {
      assert.equal(sequencerAt(trust, size), signer.publicKey.text);
      assert.equal(verifier.verifyCheckpoint(note(signer, size), trust).size, size);
    }
    const bad = [
      [first, 6],
      [second, 5],
      [second, 10],
      [third, 9],
    ] as const;
    for (const [signer, size] of bad) {
      assert.throws(() => verifier.verifyCheckpoint(note(signer, size), trust), {
        code: 'BCDB_CHECKPOINT_UNSIGNED',
      });
    }
    const beside = new CheckpointSigner(first, log).sign({ size: 5, root: rootOf(4) });
    assert.throws(() => verifier.verifyCheckpoint(beside, trust), {
      code: 'BCDB_CHECKPOINT_UNSIGNED',
    });
  }
});

test('what shows no succession of the log extends no trust', () => {
  const good = succession(handover(5, 10, second));
  const otherGenesis = canonicalText({ ...genesis, at: 1 });
  const wrong: readonly [unknown, string][] = [
    [undefined, 'BCDB_HANDOVER_INVALID'],
    [{ ...good, schema: 'grid.bcdb.succession.2' }, 'BCDB_HANDOVER_INVALID'],
    [{ ...good, handovers: {} }, 'BCDB_HANDOVER_INVALID'],
    [{ ...good, genesis: otherGenesis }, 'BCDB_OTHER_LOG'],
    [succession(handover(5, 10, second, stranger)), 'BCDB_HANDOVER_UNSIGNED'],
    [succession(handover(5, 10, first)), 'BCDB_HANDOVER_KEY_USED'],
    [succession(handover(5, 10, second), handover(9, 20, second)), 'BCDB_HANDOVER_KEY_USED'],
    [succession(handover(5, 10, second), handover(5, 20, third)), 'BCDB_HANDOVER_INVALID'],
    [succession(handover(5, 10, second), handover(9, 10, third)), 'BCDB_HANDOVER_INVALID'],
    [succession(handover(0, 10, second)), 'BCDB_HANDOVER_INVALID'],
  ];
  for (const [shown, code] of wrong) {
    for (const verifier of verifiers) {
      assert.throws(() => verifier.extendTrust(founding, shown), { code });
    }
  }
});

test('of two histories the one that was signed later counts, in whatever order they are shown', () => {
  const [verifier] = verifiers;
  assert.ok(verifier !== undefined);
  const given = succession(handover(8, 10, second));
  const later = succession(handover(5, 20, third));
  const before = verifier.extendTrust(founding, given);
  const after = verifier.extendTrust(before, later);
  assert.deepEqual(after, verifier.extendTrust(founding, later));
  assert.equal(partingSize(before.handovers ?? [], after), 5);
  assert.equal(verifier.extendTrust(after, given), after);
  assert.equal(verifier.extendTrust(after, succession()), after);
  assert.equal(partingSize(after.handovers ?? [], after), Number.POSITIVE_INFINITY);
});

test('a trust in a later key alone takes the history that has this key, and no other', () => {
  const [verifier] = verifiers;
  const bare: Trust = { log, sequencerKey: second.publicKey.text };
  const shown = succession(handover(5, 10, second));
  assert.equal(verifier?.extendTrust(bare, shown).handovers?.length, 1);
  for (const other of [succession(), succession(handover(5, 10, third))]) {
    assert.throws(() => verifier?.extendTrust(bare, other), { code: 'BCDB_HANDOVER_INVALID' });
  }
});
