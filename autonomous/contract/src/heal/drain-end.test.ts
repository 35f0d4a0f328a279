import assert from 'node:assert/strict';
import { test } from 'node:test';

import { drainOverlapMs } from '@commongrid/model';
import { Scene } from '@commongrid/model/testing';

import { drainEnd, isHandingOver } from './drain-end.ts';

/** A replica that left a node which drains, and is not healthy at the other one yet. */
function left(): Scene {
  const scene = new Scene({ role: { data: 'none', onIsolation: 'keep' } }).begin();
  const [a, b] = scene.nodes;
  assert.equal(scene.run(1, [a]), undefined);
  assert.equal(scene.slice(0, b, 2), undefined);
  assert.equal(scene.place(2, [b], { reason: 'drain' }), undefined);
  return scene;
}

function endOf({ grid, plan }: Scene): string | undefined {
  return drainEnd(grid.fold, plan.id, grid.at)?.reason;
}

function isHeldUp({ grid, plan }: Scene): boolean {
  return isHandingOver(grid.fold, plan.id, grid.at);
}

test('what runs on at a node that drains is ended once its successor is well, and not when time did', () => {
  const scene = left();
  assert.deepEqual([endOf(scene), isHeldUp(scene)], [undefined, true]);
  scene.report(scene.nodes[1], 0, 2, 'healthy');
  assert.deepEqual([endOf(scene), isHeldUp(scene)], ['drain', false]);
  scene.grid.at += drainOverlapMs - 1;
  assert.equal(endOf(scene), 'drain');
  scene.grid.at += 1;
  assert.equal(endOf(scene), undefined);

  const slow = left();
  slow.grid.at += drainOverlapMs;
  assert.deepEqual([endOf(slow), isHeldUp(slow)], [undefined, false]);
});

test('while nothing of the contract may be placed it is left to time', () => {
  const scene = left();
  scene.report(scene.nodes[1], 0, 2, 'healthy');
  scene.approve(scene.ada, { action: 'halt', role: 'owner' });
  assert.equal(endOf(scene), undefined);
  scene.approve(scene.ada, { action: 'halt', role: 'owner', verdict: 'reject' });
  assert.equal(endOf(scene), 'drain');
});
