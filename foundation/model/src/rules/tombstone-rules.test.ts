import { equal } from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { NodeId } from '../fields.ts';
import { fakeId } from '../testing/ids.ts';
import { Scene } from '../testing/scene.ts';
import { WalletScene } from '../testing/wallet-scene.ts';
import { desiredOf } from './desired.ts';
import { successorHealthyMs, unpaidNoticeMs } from './tombstone-rules.ts';

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

  test('as unpaid never reaches what needs no pay, and names the node that has it', () => {
    const { scene } = moved();
    const { ada, nodes, bobsNode } = scene;
    const bury = (author: string, node?: NodeId) => scene.bury(1, 'unpaid', author, 0, node);
    equal(bury(ada.device), 'TOMBSTONE_NODE');
    equal(bury(ada.device, bobsNode), 'TOMBSTONE_NODE');
    equal(scene.bury(1, 'removed', ada.device, 0, nodes[0]), 'TOMBSTONE_NODE');
    equal(bury(ada.device, nodes[0]), 'TOMBSTONE_PAID');
  });
});

suite('judgeGrid: a tombstone of what is unpaid', () => {
  const graceHours = 14 * 24;
  const noticeHours = unpaidNoticeMs / 3_600_000;

  /** Ada pays bob for an hour of a place on his node, and for no more. */
  function rented(amount = 360) {
    const scene = new WalletScene();
    equal(scene.rent(1, amount), undefined);
    const { bob, bobsNode } = scene;
    const bury = (author: string = bob.device, revision = 1, node = bobsNode) =>
      scene.bury(revision, 'unpaid', author, 0, node);
    return { scene, bury };
  }

  test('is by the owner of the farm, after grace and notice, of what may be placed still', () => {
    const { scene, bury } = rented();
    equal(bury(), 'TOMBSTONE_PAID');
    scene.at(1);
    equal(scene.receipt(1, 0, 1), undefined);
    equal(bury(), 'TOMBSTONE_TOO_EARLY');
    scene.at(1 + graceHours + noticeHours - 0.001);
    equal(bury(), 'TOMBSTONE_TOO_EARLY');
    scene.at(1 + graceHours + noticeHours);
    equal(bury(scene.ada.device), 'TOMBSTONE_NOT_FARMER');
    equal(bury(scene.eve.device), 'TOMBSTONE_NOT_FARMER');
    equal(bury(scene.bob.device, 1, scene.nodes[0]), 'TOMBSTONE_NODE');
    equal(bury(scene.bob.device, 2), 'TOMBSTONE_REVISION');
    equal(bury(), undefined);
  });

  test('waits as long as any second of it is paid, however little the node reports', () => {
    const { scene, bury } = rented();
    scene.at(1);
    equal(scene.receipt(1, 0, 1, 3599), undefined);
    scene.at(5000);
    equal(bury(), 'TOMBSTONE_PAID');
    equal(scene.receipt(1, 1, 2, 1), undefined);
    equal(bury(), 'TOMBSTONE_TOO_EARLY');
  });

  test('is not brought nearer by a farmer who keeps reports back and then gives all back', () => {
    const { scene, bury } = rented(2000);
    scene.at(1000);
    equal(scene.refund(1, scene.bob.device), undefined);
    equal(scene.escrow(1).isClosed, true);
    equal(bury(), 'TOMBSTONE_TOO_EARLY');
    scene.at(1000 + graceHours + noticeHours);
    equal(bury(), undefined);
  });

  test('does not reach what money came for meanwhile', () => {
    const { scene, bury } = rented();
    scene.at(1);
    scene.receipt(1, 0, 1);
    scene.at(1 + graceHours);
    equal(scene.rent(2, 3600, 2), undefined);
    scene.at(1 + graceHours + noticeHours);
    equal(bury(), 'TOMBSTONE_PAID');
    equal(bury(scene.bob.device, 2), 'TOMBSTONE_PAID');
  });

  test('counts anew where an objection gave the buyer money back', () => {
    const { scene, bury } = rented();
    scene.at(1);
    scene.receipt(1, 0, 1);
    equal(scene.object(1, scene.ada, [0, 1]), undefined);
    equal(scene.object(1, scene.bob, [0, 1], 'refund', { by: scene.bob.id }), undefined);
    scene.presence(0, 1);
    scene.at(3);
    equal(scene.release(1, 1), undefined);
    equal(scene.held(1), 360n);
    scene.at(1 + graceHours + noticeHours);
    equal(bury(), 'TOMBSTONE_PAID');
  });

  test('covers what was left on the node by a placement that went elsewhere', () => {
    const { scene, bury } = rented(3600);
    scene.at(1);
    equal(scene.settle(2), undefined);
    scene.at(1 + graceHours + noticeHours - 0.001);
    equal(bury(), 'TOMBSTONE_TOO_EARLY');
    scene.at(1 + graceHours + noticeHours);
    equal(bury(), undefined);
  });

  test('lets its node alone delete, and what is placed again later run', () => {
    const { scene, bury } = rented();
    scene.at(1);
    scene.receipt(1, 0, 1);
    scene.at(1 + graceHours + noticeHours);
    const be = (node: NodeId) => {
      const { at } = scene.grid;
      const now = { at, viewAgeSeconds: 0, isFirstStart: () => true, isLeaving: false };
      return desiredOf(scene.grid.fold, node, now).get(fakeId.workload(scene.plan.id, 'shard', 0))
        ?.be;
    };
    equal(be(scene.bobsNode), 'pause');
    equal(bury(), undefined);
    equal(be(scene.bobsNode), 'remove');
    equal(
      scene.grid.fold.current('grid.tombstone.1', fakeId.workload(scene.plan.id, 'shard', 0)),
      undefined,
    );
    equal(scene.rent(2, 3600, 2), undefined);
    equal(be(scene.bobsNode), 'run');
  });
});
