import assert from 'node:assert/strict';
import { test } from 'node:test';

import { WalletScene } from '@commongrid/model/testing';

import { requirePower } from './powered.ts';

/** A place that was there for two hours, and is paid for 90 minutes of them. */
function paid(): WalletScene {
  const scene = new WalletScene();
  assert.equal(scene.rent(1, 2_000), undefined);
  scene.at(2);
  scene.receipt(1, 0, 2, 5_400);
  scene.presence(0, 2);
  scene.settle(2);
  scene.at(4);
  assert.equal(scene.release(1, 2), undefined);
  return scene;
}

const cut = (scene: WalletScene, fromHour: number, untilHour: number) =>
  new Map([[scene.bobsNode, [{ fromMs: scene.hour(fromHour), untilMs: scene.hour(untilHour) }]]]);

test('what was paid for a place that had power for as long is counted', () => {
  const scene = paid();
  assert.equal(requirePower(scene.grid.fold, new Map(), scene.hour(4)), 5_400);
  assert.equal(requirePower(scene.grid.fold, cut(scene, 1, 1.5), scene.hour(4)), 5_400);
});

test('a place that is paid for longer than it had power is found', () => {
  const scene = paid();
  const dark = cut(scene, 1, 1.6);
  assert.throws(
    () => requirePower(scene.grid.fold, dark, scene.hour(4)),
    /was paid for 5400 s, and had power for 5040.0 s/,
  );
});

test('power that was lost after the end of a place is none of its', () => {
  const scene = paid();
  assert.equal(requirePower(scene.grid.fold, cut(scene, 2.5, 3.9), scene.hour(4)), 5_400);
});
