import { equal } from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Scene } from '../testing/scene.ts';
import { successorHealthyMs } from './tombstone-rules.ts';

suite('judgeGrid: a tombstone', () => {
  test('by those who may remove, once enough of them agreed, of what is placed nowhere', () => {
    const scene = new Scene({ signers: [1, 2], min: 2 });
    const { ada, bob, eve, nodes } = scene;
    equal(scene.bury(1, 'removed', ada.device), 'TOMBSTONE_CONTRACT_UNKNOWN');
    scene.begin();
    scene.approve(bob);
    equal(scene.run(1, [nodes[0]]), undefined);
    equal(scene.approve(ada, { action: 'remove' }), undefined);
    equal(scene.bury(0, 'removed', ada.device), 'CONTRACT_QUORUM_MISSING');
    equal(scene.approve(bob, { action: 'remove' }), undefined);
    equal(scene.bury(1, 'removed', ada.device), 'TOMBSTONE_STILL_PLACED');
    equal(scene.bury(2, 'removed', ada.device), 'TOMBSTONE_REVISION');
    equal(scene.place(2, []), undefined);
    equal(scene.bury(1, 'removed', eve.device), 'CONTRACT_NOT_HOLDER');
    equal(scene.bury(1, 'removed', bob.device), undefined);
    equal(scene.bury(2, 'removed', ada.controller), undefined);
    equal(scene.bury(1, 'removed', ada.device), 'TOMBSTONE_REVISION');
  });

  function moved() {
    const scene = new Scene().begin();
    const [from, to] = scene.nodes;
    scene.run(1, [from]);
    return { scene, to };
  }

  test('by the controller, a day after the successor became healthy and stayed so', () => {
    const { scene, to } = moved();
    const { grid, ada, eve } = scene;
    const bury = (author: string = ada.controller) => scene.bury(1, 'replaced', author);
    equal(bury(), 'TOMBSTONE_STILL_PLACED');
    equal(scene.run(2, [to]), undefined);
    grid.at += successorHealthyMs;
    equal(bury(), 'TOMBSTONE_TOO_EARLY');
    equal(scene.report(to, 0, 1, 'healthy'), undefined);
    grid.at += successorHealthyMs;
    equal(bury(), 'TOMBSTONE_TOO_EARLY');
    scene.report(to, 0, 2, 'healthy');
    grid.at += successorHealthyMs - 1;
    scene.report(to, 0, 2, 'unhealthy');
    grid.at += 1;
    equal(bury(), 'TOMBSTONE_TOO_EARLY');
    scene.report(to, 0, 2, 'healthy');
    grid.at += successorHealthyMs - 1;
    equal(bury(), 'TOMBSTONE_TOO_EARLY');
    grid.at += 1;
    equal(bury(eve.device), 'CONTRACT_NOT_HOLDER');
    equal(scene.bury(2, 'replaced', ada.controller), 'TOMBSTONE_STILL_PLACED');
    equal(bury(), undefined);
  });

  test('as replaced never reaches data that are on one node alone, or that nobody replaced', () => {
    const local = new Scene({ role: { data: 'local' } }).begin();
    local.run(1, [local.nodes[0]]);
    local.place(2, []);
    equal(local.bury(1, 'replaced', local.ada.controller), 'TOMBSTONE_LOCAL_DATA');
    const { scene } = moved();
    scene.place(2, []);
    scene.grid.at += successorHealthyMs;
    equal(scene.bury(1, 'replaced', scene.ada.controller), 'TOMBSTONE_TOO_EARLY');
  });

  test('as unpaid is by nobody yet', () => {
    const { scene } = moved();
    scene.place(2, []);
    equal(scene.bury(1, 'unpaid', scene.ada.device), 'TOMBSTONE_UNPAID_UNKNOWN');
  });
});
