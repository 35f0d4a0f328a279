import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeId, WalletScene } from '@commongrid/model/testing';
import { Wallet } from '../src/wallet.ts';
import { SceneRail } from './support/scene-rail.ts';

test('a farmer who has all that he earned of a place gives the rest back', async () => {
  const scene = new WalletScene();
  const { bob } = scene;
  assert.equal(scene.rent(1, 2000), undefined);
  scene.at(1);
  assert.equal(scene.settle(2), undefined);
  // The log tells of presence up to the end of the place, and the node's word comes from behind it.
  assert.equal(scene.presence(0, 1), undefined);
  scene.at(1.01);
  assert.equal(scene.receipt(1, 0, 1.01, 3600), undefined);
  const settle = async (): Promise<readonly string[]> => {
    const wallet = new Wallet(new SceneRail(scene, bob));
    return (await wallet.settle()).map((duty) => duty.is);
  };
  scene.at(2);
  assert.deepEqual(await settle(), [], 'the buyer may object yet');
  scene.at(2.02);
  assert.deepEqual(await settle(), ['release']);
  assert.equal(scene.balance(bob.id), 360n);
  assert.equal(scene.held(1), 1640n);
  assert.deepEqual(await settle(), ['refund']);
  assert.deepEqual([scene.held(1), scene.escrow(1).isClosed], [0n, true]);
  assert.equal(scene.balance(scene.ada.id), 9_640n);
  assert.deepEqual(await settle(), []);
});

test('a farmer gives back what was paid for a place that his node refused', async () => {
  const scene = new WalletScene();
  const { bob, bobsNode, plan } = scene;
  assert.equal(scene.rent(1, 2000), undefined);
  const workload = fakeId.workload(plan.id, 'shard', 0);
  const settle = async (): Promise<readonly string[]> =>
    (await new Wallet(new SceneRail(scene, bob)).settle()).map((duty) => duty.is);
  const say = (phase: 'running' | 'refused', revision: number) => {
    const value = { node: bobsNode, workload, revision, phase, at: scene.grid.at };
    return scene.grid.put('grid.event.1', bobsNode.replace('node:', 'ed25519:'), value).code;
  };
  assert.equal(say('refused', 1), undefined);
  scene.at(0.1);
  assert.deepEqual(await settle(), [], 'it is placed there');
  assert.equal(scene.settle(2), undefined);
  assert.deepEqual(await settle(), ['refund']);
  assert.equal(scene.escrow(1).isClosed, true);

  assert.equal(scene.rent(2, 2000, 3), undefined);
  scene.at(0.2);
  assert.equal(scene.settle(4), undefined);
  assert.deepEqual(await settle(), [], 'the refusal was of an earlier place');
  assert.equal(say('running', 3), undefined);
  assert.deepEqual(await settle(), [], 'its receipts may come yet');
});

test('a farmer keeps what may still be earned', async () => {
  const scene = new WalletScene();
  assert.equal(scene.rent(1, 2000), undefined);
  const settle = async (): Promise<number> =>
    (await new Wallet(new SceneRail(scene, scene.bob)).settle()).length;
  scene.at(1);
  assert.equal(scene.receipt(1, 0, 1), undefined);
  assert.equal(scene.presence(0, 1), undefined);
  scene.at(2.5);
  assert.equal(await settle(), 1, 'pay');
  assert.equal(await settle(), 0, 'the place goes on');
  scene.at(3);
  assert.equal(scene.settle(2), undefined);
  assert.equal(await settle(), 0, 'its node did not tell of the last hours');
  assert.equal(scene.held(1), 1640n);
});
