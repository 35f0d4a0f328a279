import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WalletScene } from '@commongrid/model/testing';
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
