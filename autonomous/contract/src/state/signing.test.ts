import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';
import { Scene } from '@commongrid/model/testing';
import type { Actor } from '@commongrid/model/testing';

import { contractStatus } from './contract-status.ts';
import type { ContractErrorCode } from '../errors.ts';
import { makeApproval } from './signing.ts';
import type { SignRequest } from './signing.ts';

type Wish = Partial<Omit<SignRequest, 'signer'>>;

/** A contract of ada that bob, eve and dan decide over, two of them being enough. */
function proposed(): Scene {
  const scene = new Scene({ signers: [2, 3, 4], min: 2 });
  scene.propose();
  return scene;
}

function now({ grid }: Scene): { readonly seq: number; readonly at: number } {
  return { seq: Number.MAX_SAFE_INTEGER, at: grid.at };
}

function approval(scene: Scene, { id }: Actor, wish: Wish = {}) {
  const expMs = scene.grid.at + 3_600_000;
  const request = {
    contract: scene.plan.id,
    signer: id,
    ...{ action: 'provision', verdict: 'approve' },
  };
  return makeApproval(scene.grid.fold, { ...request, expMs, ...wish } as SignRequest, now(scene));
}

/** What the rules say of it. */
function sign(scene: Scene, who: Actor, wish: Wish = {}): string | undefined {
  return scene.grid.put('grid.approval.1', who.device, approval(scene, who, wish)).code;
}

function refuses(scene: Scene, who: Actor, code: ContractErrorCode, wish: Wish = {}): void {
  assert.throws(() => approval(scene, who, wish), hasCode(code));
}

function isRejected(scene: Scene): boolean | undefined {
  return contractStatus(scene.grid.fold, scene.plan.id, now(scene))?.isRejected;
}

test('stakeholders sign in the role that they have until all lines are met', () => {
  const scene = proposed();
  assert.equal(approval(scene, scene.bob).role, 'people');
  assert.equal(approval(scene, scene.ada).role, 'owner');
  assert.equal(sign(scene, scene.bob), undefined);
  refuses(scene, scene.bob, 'CONTRACT_SIGNED');
  assert.equal(sign(scene, scene.eve), undefined);
  assert.equal(sign(scene, scene.ada), undefined);
  assert.ok(scene.grid.fold.contract(scene.plan.id)?.agreed.provision !== undefined);
  refuses(scene, scene.dan, 'CONTRACT_SETTLED');
});

test('nobody signs who is not named, or in a role that is not theirs', () => {
  const scene = proposed();
  refuses(scene, scene.ada, 'CONTRACT_NOT_SIGNER', { role: 'people' });
  refuses(scene, scene.bob, 'CONTRACT_NOT_SIGNER', { role: 'owner' });
  const alone = new Scene();
  alone.propose();
  refuses(alone, alone.bob, 'CONTRACT_NOT_SIGNER');
  refuses(alone, alone.bob, 'CONTRACT_NOT_SIGNER', { action: 'halt' });
  refuses(alone, alone.ada, 'CONTRACT_ACTION_MISFIT', { action: 'upgrade' });
});

test('a bot that several lines name has to say for which it counts', () => {
  const header = new Scene({ signers: [2, 3] }).plan.header;
  const [people] = header.policy.provision;
  assert.ok(people !== undefined);
  const board = { ...people, role: 'board' };
  const scene = new Scene({ header: { policy: { ...header.policy, provision: [people, board] } } });
  scene.propose();
  refuses(scene, scene.bob, 'CONTRACT_ROLE_UNCLEAR');
  assert.equal(sign(scene, scene.bob, { role: 'board' }), undefined);
  // The later word takes the place of the earlier: it never counts in both.
  assert.equal(sign(scene, scene.bob, { role: 'people' }), undefined);
  assert.equal(sign(scene, scene.ada), undefined);
  assert.equal(scene.grid.fold.contract(scene.plan.id)?.agreed.provision, undefined);
  assert.equal(sign(scene, scene.eve, { role: 'board' }), undefined);
  assert.ok(scene.grid.fold.contract(scene.plan.id)?.agreed.provision !== undefined);
});

test('words against a contract end it once the rest is too few, until one is taken back', () => {
  const scene = proposed();
  assert.equal(sign(scene, scene.bob, { verdict: 'reject' }), undefined);
  refuses(scene, scene.bob, 'CONTRACT_SIGNED', { verdict: 'reject' });
  assert.equal(isRejected(scene), false);
  assert.equal(sign(scene, scene.eve, { verdict: 'reject' }), undefined);
  assert.equal(isRejected(scene), true);
  refuses(scene, scene.dan, 'CONTRACT_REJECTED');
  refuses(scene, scene.ada, 'CONTRACT_REJECTED');
  assert.equal(sign(scene, scene.eve), undefined);
  assert.equal(isRejected(scene), false);
  assert.equal(sign(scene, scene.dan), undefined);
  assert.equal(sign(scene, scene.ada), undefined);
  assert.equal(isRejected(scene), false);
  assert.ok(scene.grid.fold.contract(scene.plan.id)?.agreed.provision !== undefined);
});

test('the owner alone can reject, and a word against it lapses', () => {
  const scene = proposed();
  assert.equal(sign(scene, scene.ada, { verdict: 'reject' }), undefined);
  refuses(scene, scene.bob, 'CONTRACT_REJECTED');
  scene.grid.at += 3_600_000;
  assert.equal(sign(scene, scene.bob), undefined);
});

test('any stakeholder halts a contract, and only whoever did it lets it go on', () => {
  const scene = new Scene({ signers: [2, 3, 4], min: 2 });
  scene.propose();
  const halt = { action: 'halt' } as const;
  assert.equal(sign(scene, scene.dan, halt), undefined);
  const halted = (): boolean | undefined =>
    contractStatus(scene.grid.fold, scene.plan.id, now(scene))?.isHalted;
  assert.equal(halted(), true);
  refuses(scene, scene.dan, 'CONTRACT_SIGNED', halt);
  refuses(scene, scene.eve, 'CONTRACT_NOT_HALTED', { ...halt, verdict: 'reject' });
  assert.equal(sign(scene, scene.dan, { ...halt, verdict: 'reject' }), undefined);
  assert.equal(halted(), false);
});

test('what is over, or was overtaken, is not signed', () => {
  const scene = proposed();
  for (const who of [scene.bob, scene.eve]) {
    assert.equal(sign(scene, who, { action: 'remove' }), undefined);
  }
  assert.ok(scene.grid.fold.contract(scene.plan.id)?.agreed.remove !== undefined);
  refuses(scene, scene.dan, 'CONTRACT_STALE');
  const late = proposed();
  late.grid.at = late.plan.header.term.untilMs;
  refuses(late, late.bob, 'CONTRACT_LAPSED');
});

test('nobody signs for a second contract in the place of one', () => {
  const scene = new Scene().begin();
  const replaces = scene.plan.id;
  const [first, second] = [scene.grid.log, 'b'.repeat(42) + 'A'].map((nonce) => {
    const { plan } = new Scene({ header: { nonce, replaces } });
    scene.grid.put('grid.contract.1', scene.ada.device, plan.header);
    return plan;
  });
  assert.ok(first !== undefined && second !== undefined);
  for (const action of ['provision', 'upgrade'] as const) {
    assert.equal(sign(scene, scene.ada, { contract: first.id, action }), undefined);
  }
  refuses(scene, scene.ada, 'CONTRACT_STALE', { contract: second.id, action: 'upgrade' });
});
