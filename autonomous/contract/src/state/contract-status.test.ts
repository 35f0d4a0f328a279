import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Scene, WalletScene } from '@commongrid/model/testing';
import type { Actor } from '@commongrid/model/testing';

import { contractStatus } from './contract-status.ts';
import type { ContractStatus } from './contract-status.ts';

function statusOf(scene: Scene): ContractStatus {
  const now = { seq: Number.MAX_SAFE_INTEGER, at: scene.grid.at };
  const status = contractStatus(scene.grid.fold, scene.plan.id, now);
  assert.ok(status !== undefined);
  return status;
}

function assertDone(...codes: readonly (string | undefined)[]): void {
  assert.deepEqual(
    codes.filter((code) => code !== undefined),
    [],
  );
}

test('a contract that nobody proposed has no status', () => {
  const scene = new Scene();
  const now = { seq: 0, at: scene.grid.at };
  assert.equal(contractStatus(scene.grid.fold, scene.plan.id, now), undefined);
});

test('a contract is signed line by line, its owner being a line of its own', () => {
  const scene = new Scene({ signers: [2, 3, 4], min: 2 });
  scene.propose();
  const said = (): unknown =>
    statusOf(scene).signatures.map(({ role, min, signed }) => [role, min, signed.length]);
  assert.equal(statusOf(scene).phase, 'proposed');
  assert.deepEqual(said(), [
    ['owner', 1, 0],
    ['people', 2, 0],
  ]);
  const sign = (who: Actor, role = 'people') => assertDone(scene.approve(who, { role }));
  sign(scene.bob);
  assert.equal(statusOf(scene).phase, 'signing');
  sign(scene.eve);
  assert.deepEqual(said(), [
    ['owner', 1, 0],
    ['people', 2, 2],
  ]);
  sign(scene.ada, 'owner');
  const { phase, signatures } = statusOf(scene);
  assert.equal(phase, 'agreed');
  assert.deepEqual(signatures, []);
});

test('a signature that lapsed before all were there is waited for again', () => {
  const scene = new Scene({ signers: [2, 3], min: 2 });
  scene.propose();
  assertDone(scene.approve(scene.bob, { expMs: scene.grid.at + 1000 }));
  assert.equal(statusOf(scene).phase, 'signing');
  scene.grid.at += 1000;
  assert.equal(statusOf(scene).phase, 'proposed');
});

test('a contract is provisioning until all of it is healthy, then it runs', () => {
  const scene = new Scene().begin();
  const [first, second] = scene.nodes;
  assertDone(scene.run(1, [first, second]));
  assert.equal(statusOf(scene).phase, 'provisioning');
  assertDone(scene.report(first, 0, 1, 'healthy'));
  const { phase, readyCount, workloads } = statusOf(scene);
  assert.deepEqual([phase, readyCount, workloads.length], ['provisioning', 1, 2]);
  assertDone(scene.report(second, 1, 1, 'healthy'));
  assert.equal(statusOf(scene).phase, 'running');
});

test('what was placed elsewhere heals, and what its former node says is no matter', () => {
  const scene = new Scene().begin();
  const [first, second] = scene.nodes;
  assertDone(scene.run(1, [first]), scene.report(first, 0, 1, 'healthy'), scene.run(2, [second]));
  assert.equal(statusOf(scene).phase, 'healing');
  assertDone(scene.report(first, 0, 1, 'healthy'));
  assert.equal(statusOf(scene).phase, 'healing');
  assertDone(scene.report(second, 0, 2, 'healthy'));
  assert.equal(statusOf(scene).phase, 'running');
});

test('a contract that was halted says so, and runs on', () => {
  const scene = new Scene().begin();
  const [node] = scene.nodes;
  assertDone(scene.run(1, [node]), scene.report(node, 0, 1, 'healthy'));
  assertDone(scene.approve(scene.ada, { action: 'halt' }));
  const { phase, isHalted } = statusOf(scene);
  assert.deepEqual([phase, isHalted], ['running', true]);
});

test('a contract stands still after term and grace', () => {
  const scene = new Scene().begin();
  const [node] = scene.nodes;
  assertDone(scene.run(1, [node]), scene.report(node, 0, 1, 'healthy'));
  const { untilMs, graceMs } = scene.plan.header.term;
  scene.grid.at = untilMs + graceMs - 1;
  assert.equal(statusOf(scene).phase, 'running');
  scene.grid.at += 1;
  assert.equal(statusOf(scene).phase, 'paused');
});

test('a contract is closed when tombstones cover all that it ever had', () => {
  const scene = new Scene().begin();
  const [first, second] = scene.nodes;
  assertDone(scene.run(1, [first, second]));
  assertDone(scene.approve(scene.ada, { action: 'remove' }));
  assert.equal(statusOf(scene).phase, 'removing');
  assertDone(scene.run(2, []), scene.bury(1, 'removed', scene.ada.controller, 0));
  assert.equal(statusOf(scene).phase, 'removing');
  assertDone(scene.bury(1, 'removed', scene.ada.controller, 1));
  assert.equal(statusOf(scene).phase, 'closed');
});

test('a place that was rented says up to when it is paid', () => {
  const scene = new WalletScene();
  assertDone(scene.rent(1, 2000));
  const [workload] = statusOf(scene).workloads;
  // One unit for ten seconds.
  assert.equal(workload?.paidUntilMs, scene.grid.at + 20_000_000);
  const own = new Scene().begin();
  assertDone(own.run(1, [own.nodes[0]]));
  assert.equal(statusOf(own).workloads[0]?.paidUntilMs, undefined);
});

/** Hours after which what nobody pays for since the first hour may be given up. */
const unpaidHours = 1 + 14 * 24 + 7 * 24;

/** Bob gave up what ada rented of him for an hour. */
function givenUp(): WalletScene {
  const scene = new WalletScene();
  assertDone(scene.rent(1, 360), scene.report(scene.bobsNode, 0, 1, 'healthy'));
  assert.equal(statusOf(scene).phase, 'running');
  scene.at(1);
  assertDone(scene.receipt(1, 0, 1));
  scene.at(unpaidHours);
  assertDone(scene.bury(1, 'unpaid', scene.bob.device, 0, scene.bobsNode));
  return scene;
}

test('what was given up as unpaid where it is placed does not run', () => {
  const scene = givenUp();
  const { readyCount, phase } = statusOf(scene);
  assert.deepEqual([readyCount, phase === 'running'], [0, false]);
});

test('a contract whose data were given up as unpaid is closed without tombstones of its own', () => {
  const scene = givenUp();
  assertDone(scene.approve(scene.ada, { action: 'remove' }));
  assert.equal(statusOf(scene).phase, 'removing');
  assertDone(scene.place(2, []));
  assert.equal(statusOf(scene).phase, 'closed');
});

test('what was given up as unpaid on one node is kept on others', () => {
  const scene = givenUp();
  const [own] = scene.nodes;
  assertDone(scene.run(2, [own]), scene.approve(scene.ada, { action: 'remove' }));
  assertDone(scene.place(3, []));
  assert.equal(statusOf(scene).phase, 'removing');
  assertDone(scene.bury(2, 'removed', scene.ada.device));
  assert.equal(statusOf(scene).phase, 'closed');
});

test('a contract whose term is over is closed once all of it was given up', () => {
  const scene = givenUp();
  const { untilMs, graceMs } = scene.plan.header.term;
  scene.grid.at = untilMs + graceMs;
  assert.equal(statusOf(scene).phase, 'closed');
});

test('a contract that handed its place over stands still until its data are given up', () => {
  const scene = new Scene().begin();
  const { ada, grid, nodes } = scene;
  const [node] = nodes;
  assertDone(scene.run(1, [node]), scene.report(node, 0, 1, 'healthy'));
  const header = { nonce: 'b'.repeat(42) + 'A', replaces: scene.plan.id };
  const { plan } = new Scene({ header });
  const sign = (action: 'provision' | 'upgrade') => {
    const replaced = action === 'upgrade' ? { replaces: scene.plan.id } : {};
    return grid.put('grid.approval.1', ada.device, plan.approval(ada.id, { action, ...replaced }));
  };
  assertDone(
    grid.put('grid.contract.1', ada.device, plan.header).code,
    ...[sign('provision').code, sign('upgrade').code],
  );
  assert.equal(statusOf(scene).phase, 'running');
  assertDone(scene.place(2, [], { reason: 'upgrade' }));
  assert.equal(statusOf(scene).phase, 'paused');
  assertDone(scene.approve(ada, { action: 'remove' }), scene.bury(1, 'removed', ada.device));
  assert.equal(statusOf(scene).phase, 'closed');
});
