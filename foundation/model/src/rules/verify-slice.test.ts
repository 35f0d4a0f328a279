import { deepEqual, equal } from 'node:assert/strict';
import { suite, test } from 'node:test';
import { fakeId } from '../testing/ids.ts';
import { foldOf } from '../testing/folded-grid.ts';
import { Scene } from '../testing/scene.ts';
import { WalletScene } from '../testing/wallet-scene.ts';
import { desiredOf } from './desired.ts';
import type { Desired } from './desired.ts';
import { successorHealthyMs } from './tombstone-rules.ts';
import { verifySlice } from './verify-slice.ts';

suite('verifySlice', () => {
  function running(options?: ConstructorParameters<typeof Scene>[0]) {
    const scene = new Scene(options).begin();
    const [node] = scene.nodes;
    equal(scene.run(1, [node]), undefined);
    const slice = scene.plan.slice(0, node, 1);
    const judge = (change: Partial<typeof slice> = {}, first = true, viewAgeSeconds = 0) => {
      const now = { at: scene.grid.at, viewAgeSeconds, isFirstStart: first };
      return verifySlice(scene.grid.fold, { ...slice, ...change }, now);
    };
    return { scene, node, slice, judge };
  }

  test('gives the assignment that owner, policy and placement say', () => {
    const { scene, slice, judge, node } = running();
    const { header, id, opening } = scene.plan;
    const assignment = {
      ...{ id: slice.workload, revision: 1, contract: id, tenant: scene.ada.id, replica: 0 },
      role: opening.role,
      addresses: [{ network: 'inner', ip: '10.10.0.2' }],
      secrets: [{ name: 'admin', box: 'AAAA', commit: header.secrets[0]?.commit }],
      isElevated: false,
    };
    deepEqual(judge(), { assignment });
    const grant = { node, contract: id, role: 'shard', allows: 'elevated' } as const;
    const expMs = scene.grid.at + 1;
    scene.grid.put('grid.grant.1', scene.ada.device, { ...grant, expMs });
    equal(judge().assignment?.isElevated, true);
    scene.grid.at = expMs;
    equal(judge().assignment?.isElevated, false);
  });

  test('starts nothing new by a view that is older than 30 s', () => {
    const { judge } = running();
    equal(judge({}, true, 30).code, undefined);
    equal(judge({}, true, 31).code, 'VIEW_STALE');
    equal(judge({}, false, 1_000_000).code, undefined);
  });

  test('refuses a slice that differs from what was placed, or that is for another node', () => {
    const { scene, slice, judge } = running();
    const { opening } = slice;
    equal(judge({ contract: fakeId.contract(1) }).code, 'SLICE_CONTRACT_UNKNOWN');
    equal(judge({ node: scene.nodes[1] }).code, 'SLICE_NOT_PLACED');
    const second = fakeId.workload(scene.plan.id, 'shard', 1);
    equal(judge({ workload: second }).code, 'SLICE_NOT_PLACED');
    equal(judge({ revision: 2 }).code, 'SLICE_MISMATCH');
    const role = { ...opening.role, onIsolation: 'stop' as const };
    equal(judge({ opening: { ...opening, role } }).code, 'SLICE_MISMATCH');
    equal(judge({ secrets: [{ name: 'admin', box: 'BBBB' }] }).code, undefined);
    // A placement that names something else than what follows from the contract starts nothing.
    const items = [{ role: 'shard', replica: 0, node: scene.nodes[0], slice: fakeId.hash(1) }];
    equal(scene.place(2, [], { items }), undefined);
    equal(judge().code, 'SLICE_MISMATCH');
  });

  test('starts nothing new that was halted, is over, or on a node that may not', () => {
    const { scene, node, judge } = running();
    const { grid, ada } = scene;
    scene.approve(ada, { action: 'halt', role: 'owner' });
    equal(judge().code, 'CONTRACT_HALTED');
    equal(judge({}, false).code, undefined);
    scene.approve(ada, { action: 'halt', role: 'owner', verdict: 'reject' });
    equal(judge().code, undefined);
    for (const boot of [1, 2]) {
      const session = { node, n: 1, bootId: fakeId.nonce16(boot) };
      grid.put('grid.session.1', fakeId.key(1001), session);
    }
    equal(judge().code, 'PLACEMENT_NODE_CLONED');
    equal(judge({}, false).code, undefined);
    const farm = fakeId.farm(1);
    grid.put('grid.adoption.1', ada.device, { node, farm, standing: 'retired' });
    equal(judge().code, 'PLACEMENT_NODE_NOT_IN_SERVICE');
    grid.put('grid.adoption.1', ada.device, { node, farm, standing: 'active' });
    equal(judge().code, undefined);
    grid.at = scene.plan.header.term.untilMs;
    equal(judge().code, 'PLACEMENT_EXPIRED');
    scene.place(2, [[node, 1]], { expMs: grid.at + 1 });
    equal(judge().code, 'CONTRACT_TERM_OVER');
    equal(judge({}, false).code, undefined);
  });

  test('starts nothing new on the farm of another unless its lock is funded, and covers what comes', () => {
    const scene = new WalletScene();
    const { grid, plan, bobsNode } = scene;
    equal(scene.rent(1, 72), undefined);
    const judge = (hour: number, isFirstStart = true) => {
      const now = { at: scene.hour(hour), viewAgeSeconds: 0, isFirstStart };
      return verifySlice(grid.fold, plan.slice(0, bobsNode, 1), now).code;
    };
    equal(judge(0), undefined);
    // Longer than the lock held unpaid.
    equal(judge(0.19), undefined);
    equal(judge(0.21), 'ESCROW_EMPTY');
    equal(judge(0.21, false), undefined);
    equal(scene.refund(1, scene.bob.device), undefined);
    equal(judge(0), 'ESCROW_EMPTY');
  });
});

suite('desiredOf', () => {
  test('says of each workload of a node what it is to be, over its life', () => {
    const scene = new Scene().begin();
    const { grid, plan, nodes, ada } = scene;
    const [a, b] = nodes;
    const workload = fakeId.workload(plan.id, 'shard', 0);
    const be = (node = a) => short(desired(scene, node).get(workload));
    equal(be(), undefined);
    scene.slice(0, a, 1);
    // What is not placed is nothing yet.
    equal(be(), undefined);
    scene.place(1, [a, a]);
    equal(be(), 'run 1');
    const second = fakeId.workload(plan.id, 'shard', 1);
    equal(short(desired(scene, a).get(second)), 'refused SLICE_MISSING 0');
    // The next slice comes before its placement: what is placed is still the former one.
    scene.slice(0, a, 2);
    equal(be(), 'run 1');
    scene.place(2, [b]);
    equal(be(), 'stop 1');
    equal(be(b), 'refused SLICE_MISSING 0');
    scene.slice(0, b, 2);
    equal(be(b), 'run 2');
    scene.report(b, 0, 2, 'healthy');
    grid.at += successorHealthyMs;
    equal(scene.bury(1, 'replaced', ada.controller), undefined);
    equal(be(), 'remove 1');
    equal(be(b), 'run 2');
    grid.at = plan.header.term.untilMs + plan.header.term.graceMs;
    equal(be(b), 'pause CONTRACT_TERM_OVER 2');
    equal(scene.place(3, [], { expMs: grid.at + 1 }), undefined);
    equal(be(b), 'stop 2');
    // Of what the node was never told it has nothing.
    equal(short(desired(scene, a).get(second)), undefined);
    equal(short(desired(scene, nodes[2]).get(workload)), undefined);
  });

  test('lets what leaves a node that drains run beside its successor, until the next placement', () => {
    const begun = (role: ConstructorParameters<typeof Scene>[0] = {}) => {
      const scene = new Scene(role).begin();
      const [a, b] = scene.nodes;
      const be = (isLeaving = true): string | undefined =>
        short(desired(scene, a, isLeaving).get(fakeId.workload(scene.plan.id, 'shard', 0)));
      scene.run(1, [a]);
      equal(be(), 'run 1');
      scene.slice(0, b, 2);
      return {
        scene,
        be,
        a,
        b,
        leave: (reason: 'drain' | 'heal') => scene.place(2, [b], { reason }),
      };
    };
    const plain = { role: { data: 'none', onIsolation: 'keep' } } as const;
    const one = begun(plain);
    equal(one.leave('drain'), undefined);
    equal(one.be(), undefined);
    equal(one.be(false), 'stop 1', 'the tenant alone says that the node drains');
    const { items } = one.scene.plan.placement(2, [one.b]);
    equal(one.scene.place(3, [], { items, reason: 'drain' }), undefined);
    equal(one.be(), 'stop 1');

    const long = begun(plain);
    long.leave('drain');
    long.scene.grid.at += 299_000;
    equal(long.be(), undefined);
    long.scene.grid.at += 1_000;
    equal(long.be(), 'stop 1', 'not for ever');

    const lost = begun(plain);
    lost.leave('heal');
    equal(lost.be(), 'stop 1');
    const gone = begun(plain);
    gone.scene.place(2, [], { reason: 'drain' });
    equal(gone.be(), 'stop 1', 'nothing takes its place');
    for (const change of [{ data: 'dispersed' }, { onIsolation: 'stop' }] as const) {
      const other = begun({ role: { ...plain.role, ...change } });
      other.leave('drain');
      equal(other.be(), 'stop 1');
    }
  });

  test('takes the slice of one workload for no other', () => {
    const scene = new Scene().begin();
    const [node] = scene.nodes;
    scene.slice(0, node, 1);
    const [item] = scene.plan.placement(1, [node]).items;
    const items = item === undefined ? [] : [item, { ...item, replica: 1 }];
    equal(scene.place(1, [], { items }), undefined);
    const both = [...desired(scene, node).values()].map(short);
    deepEqual(both, ['run 1', 'refused SLICE_MISMATCH 1']);
  });

  test('has nothing for a view that has nothing: what is unknown is not to be stopped', () => {
    const now = { at: 0, viewAgeSeconds: 0, isFirstStart: () => true, isLeaving: false };
    equal(desiredOf(foldOf(), new Scene().nodes[0], now).size, 0);
  });

  function desired({ grid }: Scene, node: Scene['bobsNode'], isLeaving = false) {
    return desiredOf(grid.fold, node, {
      ...{ at: grid.at, viewAgeSeconds: 0, isFirstStart: () => false, isLeaving },
    });
  }

  function short(one: Desired | undefined): string | undefined {
    if (one === undefined) return undefined;
    const code = one.be === 'refused' || one.be === 'pause' ? ` ${one.code}` : '';
    return `${one.be}${code} ${one.revision}`;
  }
});
